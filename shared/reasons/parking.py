"""Why a message is parked, and why it is not redriven, for operators (R-122)."""

from shared.reasons.entries import ExplainedParking

PARKED = (
    ExplainedParking(
        word="unreadable_envelope",
        meaning="The message is not a CloudEvent as it is read here, in binary mode or in structured mode with JSON.",
        what_to_do="Have the sender correct what the detail names and send the message again.",
        rules=("R-122", "R-143"),
    ),
    ExplainedParking(
        word="unknown_event",
        meaning="The message has a type or version that is not known here.",
        what_to_do="Update the service, then redrive the message.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="unreadable_event",
        meaning="The body of the message does not match its type.",
        what_to_do="Have the sender correct it and send it again.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="message_id_reused",
        meaning="An earlier message with the same source and id says something else.",
        what_to_do="Redrive it if it is to count too, else discard it; have the sender give each message its own id.",
        what_follows="Only the earlier message counts.",
        rules=("R-116", "R-133"),
    ),
    ExplainedParking(
        word="wrong_partition",
        meaning="The message arrived on a partition that its slice does not belong to.",
        what_to_do="Find out who writes to the topic besides its service.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="conflicting_position",
        meaning="Another event has already been accepted at the position of the message.",
        what_to_do="Find out who writes to the topic besides its service.",
        rules=("R-122", "R-127"),
    ),
    ExplainedParking(
        word="position_gap",
        meaning="An event before the message is missing, so its slice waits.",
        what_to_do="Republish the slice from its ledger, starting at the missing position.",
        what_follows="Other slices continue.",
        rules=("R-120", "R-122"),
    ),
    ExplainedParking(
        word="broken_chain",
        meaning="The message does not continue the hash chain of its slice: it was forged or damaged.",
        what_to_do="Republish the slice from its ledger, and find out who wrote the message.",
        what_follows="It is not trusted, and its slice waits for the genuine event.",
        rules=("R-122", "R-127"),
    ),
)

NOT_REDRIVEN = (
    ExplainedParking(
        word="not_parked",
        meaning="No such message is parked, or it has already been redriven or discarded.",
        what_to_do="List the parked messages again.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="kept_by_projection",
        meaning="The message was parked by a projection, which accepts nothing out of order.",
        what_to_do="Rebuild the projection with a release that can read the message.",
        rules=("R-118", "R-122"),
    ),
    ExplainedParking(
        word="handled_already",
        meaning="A later message with the same source and id has been processed.",
        what_to_do="No action is needed.",
        rules=("R-116", "R-122"),
    ),
    ExplainedParking(
        word="cut",
        meaning="The message was too large to be stored whole.",
        what_to_do="Have the sender send it again.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="busy",
        meaning="What the message is about keeps changing right now.",
        what_to_do="Try again in a moment.",
        rules=("R-122",),
    ),
)

PARKING = (*PARKED, *NOT_REDRIVEN)
