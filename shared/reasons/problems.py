"""The codes of problems that no licensing rule causes: requests that could not be accepted. For API clients."""

from shared.reasons.entries import ExplainedProblem

REQUESTS = (
    ExplainedProblem(
        word="malformed_json",
        meaning="The request body is not JSON.",
        what_to_do="Send a JSON object.",
    ),
    ExplainedProblem(
        word="invalid_fields",
        meaning="Some fields are missing, unknown or invalid.",
        what_to_do="Correct the fields named in the problem.",
    ),
    ExplainedProblem(
        word="body_too_large",
        meaning="The request body is larger than the service accepts.",
        what_to_do="Send less at once.",
    ),
    ExplainedProblem(
        word="unsupported_media_type",
        meaning="The request body has a type that the service does not accept.",
        what_to_do="Send JSON, with the content type application/json.",
    ),
    ExplainedProblem(
        word="malformed_etag",
        meaning="If-Match contains something that is no ETag.",
        what_to_do="Send an ETag from an answer, in its quotation marks, or a list of them.",
    ),
    ExplainedProblem(
        word="precondition_failed",
        meaning="The device has changed since the version named in If-Match, or the ETag there is weak.",
        what_to_do="Read it again, and repeat the request if it is still needed; send a weak ETag without its W/.",
    ),
    ExplainedProblem(
        word="sealed_for_another_key",
        meaning="The codes, the token or the key were given to another credential, which alone can read them again.",
        what_to_do="Use that credential, or block the codes or revoke the key that the problem names and ask again.",
        rules=("R-09", "R-112", "R-140"),
    ),
    ExplainedProblem(
        word="idempotency_key_reused",
        meaning="The Idempotency-Key has already been used for another request.",
        what_to_do="Use a new key for a new request.",
        rules=("R-09", "R-133", "R-142"),
    ),
    ExplainedProblem(
        word="order_reused",
        meaning="An order with this id has already been settled for the license, with another term.",
        what_to_do="Compare it with what the problem names, and use a new id for a new order.",
        what_follows="The license stays as it was settled first.",
        rules=("R-95", "R-133"),
    ),
)

ADDRESSES = (
    ExplainedProblem(
        word="not_found",
        meaning="There is nothing at this address.",
        what_to_do="See the list of addresses in /openapi.json.",
    ),
    ExplainedProblem(
        word="method_not_allowed",
        meaning="This address does not support the method.",
        what_to_do="See its methods in /openapi.json.",
    ),
    ExplainedProblem(
        word="http_error",
        meaning="The request could not be read as HTTP.",
        what_to_do="See the detail of the problem.",
    ),
    ExplainedProblem(
        word="unknown_device",
        meaning="No such device is enrolled.",
        what_to_do="Enroll it first, or check its id.",
    ),
    ExplainedProblem(
        word="unknown_request",
        meaning="There is no such fleet request.",
        what_to_do="Use the id from the answer to the fleet request.",
        rules=("R-89",),
    ),
    ExplainedProblem(
        word="unknown_vendor_key",
        meaning="The vendor has no key with this id.",
        what_to_do="Use the id from the answer that created the key.",
        rules=("R-108",),
    ),
    ExplainedProblem(
        word="no_device_key",
        meaning="The device was enrolled without a public key, so its signatures cannot be checked.",
        what_to_do="Send the key when you enroll a device; until then, remove the license while the device is online.",
        rules=("R-114",),
    ),
    ExplainedProblem(
        word="in_the_future",
        meaning="The requested time has not come yet.",
        what_to_do="Ask for a time up to now.",
        rules=("R-125",),
    ),
    ExplainedProblem(
        word="before_first_event",
        meaning="At the requested time nothing had been recorded yet.",
        what_to_do="Ask for a later time; the problem names the first one.",
        rules=("R-125",),
    ),
    ExplainedProblem(
        word="newer_log",
        meaning="The log contains an event from a newer release, and this one does not guess what it says.",
        what_to_do="Update the service; the problem names the event and its version.",
    ),
    ExplainedProblem(
        word="in_the_past",
        meaning="A forecast is for a future time, and the requested one has passed.",
        what_to_do="Ask for a time after now; the problem says what time it is.",
    ),
    ExplainedProblem(
        word="too_many_rivals",
        meaning="Too many devices wait with the same code to predict their switches at once.",
        what_to_do="Ask for an earlier time, or for one device.",
        rules=("R-47",),
    ),
    ExplainedProblem(
        word="unknown_projection",
        meaning="The service has no projection with this name.",
        what_to_do="Take the name from the list of projections, and ask the service that owns it.",
    ),
    ExplainedProblem(
        word="not_replaceable",
        meaning="The deciders maintain this table, so a rebuilt copy cannot replace it.",
        what_to_do="Verify it against the ledger instead.",
        rules=("R-118",),
    ),
    ExplainedProblem(
        word="kafka_only",
        meaning="The projection is built from the other service's log, which this service reads only from Kafka.",
        what_to_do="Rebuild it from Kafka.",
    ),
    ExplainedProblem(
        word="rebuild_running",
        meaning="The projection is being rebuilt or verified right now.",
        what_to_do="Wait until that has finished; you can query its progress.",
    ),
    ExplainedProblem(
        word="no_checkpoint",
        meaning="No checkpoint of the ledger has been exported to where the service looks.",
        what_to_do="Set a checkpoint folder and a signing key, and wait for the first event.",
        rules=("R-127",),
    ),
    ExplainedProblem(
        word="no_such_event",
        meaning="The history of the code has no such event.",
        what_to_do="Take the event from the explanation or the history of the device or the code.",
    ),
    ExplainedProblem(
        word="not_a_subscription",
        meaning="Only a subscription renews automatically, and the code is not one.",
        what_to_do="Check the code, or sell a renewal instead.",
        rules=("R-27",),
    ),
    ExplainedProblem(
        word="device_exists",
        meaning="A device with this id is already enrolled with another product, region or vendor, or as a part.",
        what_to_do="Enroll each product under its own id, and report a change of what is installed as such.",
        rules=("R-42", "R-133"),
    ),
    ExplainedProblem(
        word="not_a_holder",
        meaning="The device holds no seat of the code.",
        what_to_do="See the devices of the code.",
        rules=("R-84",),
    ),
)

CREDENTIALS = (
    ExplainedProblem(
        word="credential_missing",
        meaning="The request has no token or key.",
        what_to_do="Send it in the Authorization header, after the word Bearer.",
        rules=("R-109",),
    ),
    ExplainedProblem(
        word="credential_unknown",
        meaning="The token is not known.",
        what_to_do="Send the token that the device received at enrollment.",
        rules=("R-109",),
    ),
    ExplainedProblem(
        word="not_your_device",
        meaning="The token belongs to another device.",
        what_to_do="Send the token of the device in the address.",
        rules=("R-109",),
    ),
    ExplainedProblem(
        word="not_the_operator",
        meaning="Only the operator may do this.",
        what_to_do="Send the operator key.",
    ),
    ExplainedProblem(
        word="not_your_vendor",
        meaning="The key belongs to a different vendor than the one in the request.",
        what_to_do="Leave the vendor out, or send that vendor's key.",
        rules=("R-108",),
    ),
    ExplainedProblem(
        word="too_many_enrollments",
        meaning="More devices at one address are enrolling than the service accepts at once.",
        what_to_do="Wait as long as Retry-After says, or enroll them with the operator key.",
    ),
)

SERVICE = (
    ExplainedProblem(
        word="ledger_unavailable",
        meaning="The service's database does not respond, and the request may or may not have been carried out.",
        what_to_do="Repeat the request with the same Idempotency-Key: it is done at most once.",
        rules=("R-09", "R-120"),
    ),
    ExplainedProblem(
        word="unexpected",
        meaning="The service failed in a way that nobody foresaw; it may have carried out the request.",
        what_to_do="Repeat the request with the same Idempotency-Key, and report the failure with the service's log.",
    ),
    ExplainedProblem(
        word="too_busy",
        meaning="More requests are waiting than the service accepts, and nothing was recorded.",
        what_to_do="Wait as long as Retry-After says, then repeat the request.",
        rules=("R-120", "R-140"),
    ),
    ExplainedProblem(
        word="not_ready",
        meaning="A part of the service is making no progress.",
        what_to_do="See the detail of the problem and the service's log.",
    ),
    ExplainedProblem(
        word="no_signing_key",
        meaning="The service has no key to sign its answer with, and never sends an unsigned one.",
        what_to_do="Start it with a signing key file, as described in the table of settings.",
        rules=("R-110",),
    ),
    ExplainedProblem(
        word="not_a_sandbox",
        meaning="The time of a production ledger cannot be moved.",
        what_to_do="Use a sandbox.",
    ),
    ExplainedProblem(
        word="clock_backwards",
        meaning="The time of a sandbox only moves forward.",
        what_to_do="Choose a later time, or start a new sandbox.",
    ),
    ExplainedProblem(
        word="clock_too_far",
        meaning="The time is beyond what a sandbox supports.",
        what_to_do="Choose an earlier time.",
    ),
)

SIGNATURES = (
    ExplainedProblem(
        word="malformed_signature",
        meaning="The document does not have the form of a signed document.",
        what_to_do="Submit the whole document, unchanged.",
        rules=("R-110", "R-113"),
    ),
    ExplainedProblem(
        word="wrong_kind",
        meaning="The document is signed, but for another purpose.",
        what_to_do="Submit a document of the requested kind.",
        rules=("R-110", "R-113"),
    ),
    ExplainedProblem(
        word="unknown_key",
        meaning="The document is signed with an unknown key.",
        what_to_do="Fetch the service's public keys again.",
        rules=("R-110", "R-113"),
    ),
    ExplainedProblem(
        word="bad_signature",
        meaning="The document was changed after it was signed, or somebody else signed it.",
        what_to_do="Trust nothing in it, and get it again from its source.",
        rules=("R-110", "R-113"),
    ),
)

PROBLEMS = (*REQUESTS, *ADDRESSES, *CREDENTIALS, *SERVICE, *SIGNATURES)
