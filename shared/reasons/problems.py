"""The codes of problems that are no reasons of a rule: what a door could not take. For programs and their makers."""

from shared.reasons.explained import ExplainedProblem

REQUESTS = (
    ExplainedProblem(
        word="malformed_json",
        meaning="The body of the request is not JSON.",
        what_to_do="Send a JSON object.",
    ),
    ExplainedProblem(
        word="invalid_fields",
        meaning="Some fields are missing, unknown or wrong.",
        what_to_do="Correct the fields that the problem names.",
    ),
    ExplainedProblem(
        word="body_too_large",
        meaning="The body of the request is larger than the service reads.",
        what_to_do="Send less at once.",
    ),
    ExplainedProblem(
        word="unsupported_media_type",
        meaning="The body of the request is of a type that the service does not read.",
        what_to_do="Send JSON, with the content type application/json.",
    ),
    ExplainedProblem(
        word="malformed_etag",
        meaning="If-Match holds something that this service never gave.",
        what_to_do="Send an ETag that came with an answer.",
    ),
    ExplainedProblem(
        word="precondition_failed",
        meaning="The device has changed since the version that If-Match names.",
        what_to_do="Read it again, and repeat the request if it is still wanted.",
    ),
    ExplainedProblem(
        word="idempotency_key_reused",
        meaning="The Idempotency-Key belongs to another request.",
        what_to_do="Take a new key for a new request.",
        rules=("R-09",),
    ),
)

ADDRESSES = (
    ExplainedProblem(
        word="not_found",
        meaning="There is nothing at this address.",
        what_to_do="Look at the list of addresses in /openapi.json.",
    ),
    ExplainedProblem(
        word="method_not_allowed",
        meaning="The address does not take this method.",
        what_to_do="Look at its methods in /openapi.json.",
    ),
    ExplainedProblem(
        word="http_error",
        meaning="The request could not be read as HTTP.",
        what_to_do="Look at the detail of the problem.",
    ),
    ExplainedProblem(
        word="unknown_device",
        meaning="No such device is enrolled.",
        what_to_do="Enroll it first, or check its id.",
    ),
    ExplainedProblem(
        word="unknown_request",
        meaning="No such fleet request was made.",
        what_to_do="Take the id from the answer to the fleet request.",
        rules=("R-89",),
    ),
    ExplainedProblem(
        word="unknown_vendor_key",
        meaning="The vendor has no key of this id.",
        what_to_do="Take the id from the answer with which the key was made.",
        rules=("R-108",),
    ),
    ExplainedProblem(
        word="no_device_key",
        meaning="The device enrolled without a public key, so nothing that it signs can be checked.",
        what_to_do="Send the key when a device is enrolled; until then, remove the license while the device is online.",
        rules=("R-114",),
    ),
    ExplainedProblem(
        word="in_the_future",
        meaning="The time that is asked about has not come yet.",
        what_to_do="Ask about a time up to now.",
        rules=("R-125",),
    ),
    ExplainedProblem(
        word="before_first_event",
        meaning="At the time that is asked about there was nothing to tell yet.",
        what_to_do="Ask about a later time; the problem names the first.",
        rules=("R-125",),
    ),
    ExplainedProblem(
        word="newer_log",
        meaning="The log has an event that a newer release wrote, and this one does not guess what it says.",
        what_to_do="Update the service; the problem names the event and its version.",
    ),
    ExplainedProblem(
        word="in_the_past",
        meaning="A forecast is of a time to come, and the one that is asked about has passed.",
        what_to_do="Ask about a time after now; the problem says what time it is.",
    ),
    ExplainedProblem(
        word="too_many_rivals",
        meaning="So many devices wait with the same code that their switches cannot be foreseen at once.",
        what_to_do="Ask about an earlier time, or about one device.",
        rules=("R-47",),
    ),
    ExplainedProblem(
        word="unknown_projection",
        meaning="The service has no projection of this name.",
        what_to_do="Take the name from the list of projections, and ask the service that keeps it.",
    ),
    ExplainedProblem(
        word="not_replaceable",
        meaning="The table is kept by the deciders, so nothing that is made beside it may take its place.",
        what_to_do="Verify it from the ledger instead.",
        rules=("R-118",),
    ),
    ExplainedProblem(
        word="kafka_only",
        meaning="The projection folds the log of the other service, which this one knows from Kafka alone.",
        what_to_do="Rebuild it from Kafka.",
    ),
    ExplainedProblem(
        word="rebuild_running",
        meaning="The projection is being rebuilt or verified at this moment.",
        what_to_do="Wait until that has ended; its progress can be asked for.",
    ),
    ExplainedProblem(
        word="no_checkpoint",
        meaning="No checkpoint of the ledger was exported to where the service looks.",
        what_to_do="Set a checkpoint folder and a signing key, and wait for the first event.",
        rules=("R-127",),
    ),
    ExplainedProblem(
        word="no_such_event",
        meaning="The life of the code has no such event.",
        what_to_do="Take the event from the explanation or the history of the device or the code.",
    ),
    ExplainedProblem(
        word="not_a_subscription",
        meaning="Only a subscription renews itself, and the code is none.",
        what_to_do="Check the code, or sell a renewal instead.",
        rules=("R-27",),
    ),
    ExplainedProblem(
        word="device_exists",
        meaning="A device of this id is enrolled already, as a part of something else.",
        what_to_do="Enroll the add-on product under an id of its own.",
        rules=("R-42",),
    ),
    ExplainedProblem(
        word="not_a_holder",
        meaning="The device holds no seat on the code.",
        what_to_do="Look at the devices of the code.",
        rules=("R-84",),
    ),
)

CREDENTIALS = (
    ExplainedProblem(
        word="credential_missing",
        meaning="The request shows no token or key.",
        what_to_do="Send it in the Authorization header, after the word Bearer.",
        rules=("R-109",),
    ),
    ExplainedProblem(
        word="credential_unknown",
        meaning="Nobody has this token.",
        what_to_do="Send the token that the device got when it was enrolled.",
        rules=("R-109",),
    ),
    ExplainedProblem(
        word="not_your_device",
        meaning="The token belongs to another device.",
        what_to_do="Send the token of the device that the address names.",
        rules=("R-109",),
    ),
    ExplainedProblem(
        word="not_the_operator",
        meaning="Only the operator may do this.",
        what_to_do="Send the operator key.",
    ),
    ExplainedProblem(
        word="not_your_vendor",
        meaning="The key belongs to another vendor than the request names.",
        what_to_do="Leave the vendor out, or send the key of the vendor that is named.",
        rules=("R-108",),
    ),
    ExplainedProblem(
        word="too_many_enrollments",
        meaning="More devices of one address ask to be enrolled than this service takes at once.",
        what_to_do="Wait as long as Retry-After says, or enroll them with the operator key.",
    ),
)

SERVICE = (
    ExplainedProblem(
        word="ledger_unavailable",
        meaning="The service's database does not answer, and the request may or may not have been done.",
        what_to_do="Repeat the request with the same Idempotency-Key: it is done once at most.",
        rules=("R-09", "R-120"),
    ),
    ExplainedProblem(
        word="not_ready",
        meaning="A part of the service makes no progress.",
        what_to_do="Look at the detail of the problem and at the service's log.",
    ),
    ExplainedProblem(
        word="no_signing_key",
        meaning="The service has no key to sign its answer with, and does not give an unsigned one.",
        what_to_do="Start it with a file of signing keys, as the table of its settings says.",
        rules=("R-110",),
    ),
    ExplainedProblem(
        word="not_a_sandbox",
        meaning="The time of a production ledger cannot be moved.",
        what_to_do="Try it in a sandbox.",
    ),
    ExplainedProblem(
        word="clock_backwards",
        meaning="The time of a sandbox only moves forward.",
        what_to_do="Name a later time, or begin a new sandbox.",
    ),
    ExplainedProblem(
        word="clock_too_far",
        meaning="The time lies beyond what a sandbox can show.",
        what_to_do="Name an earlier time.",
    ),
)

SIGNATURES = (
    ExplainedProblem(
        word="malformed_signature",
        meaning="The document is not in the form of a signed one.",
        what_to_do="Hand over the whole document, unchanged.",
        rules=("R-110", "R-113"),
    ),
    ExplainedProblem(
        word="wrong_kind",
        meaning="The document is signed, but for another purpose.",
        what_to_do="Hand over a document of the kind that is asked for.",
        rules=("R-110", "R-113"),
    ),
    ExplainedProblem(
        word="unknown_key",
        meaning="The document is signed with a key that is not known here.",
        what_to_do="Read the service's public keys again.",
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
