"""Why a message is set aside, and why it is not handled again: for operators (R-122)."""

from shared.reasons.explained import ExplainedParking

PARKED = (
    ExplainedParking(
        word="unreadable_envelope",
        meaning="The headers of the message are not those of a CloudEvent.",
        what_to_do="Have its writer correct them and send the message again.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="unknown_event",
        meaning="The message is of a type or version that is not known here.",
        what_to_do="Update the service, then redrive the message.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="unreadable_event",
        meaning="The body of the message does not fit its type.",
        what_to_do="Have its writer correct it and send it again.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="wrong_partition",
        meaning="The message came on a partition that its slice does not belong to.",
        what_to_do="Find out who writes to the topic beside its service.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="conflicting_position",
        meaning="Another event was accepted at the position of the message.",
        what_to_do="Find out who writes to the topic beside its service.",
        rules=("R-122", "R-127"),
    ),
    ExplainedParking(
        word="position_gap",
        meaning="An event before the message did not come, so its slice waits.",
        what_to_do="Republish the slice from its ledger, from the position that is missing.",
        what_follows="Other slices go on.",
        rules=("R-120", "R-122"),
    ),
    ExplainedParking(
        word="broken_chain",
        meaning="The message does not continue the hash chain of its slice: it was forged or damaged.",
        what_to_do="Republish the slice from its ledger, and find out who wrote the message.",
        what_follows="It is not believed, and its slice waits for the true event.",
        rules=("R-122", "R-127"),
    ),
)

NOT_REDRIVEN = (
    ExplainedParking(
        word="not_parked",
        meaning="No such message is parked, or it was redriven or discarded already.",
        what_to_do="List the parked messages again.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="kept_by_projection",
        meaning="The message was set aside by a projection, which takes nothing in out of its order.",
        what_to_do="Rebuild the projection with a release that can read the message.",
        rules=("R-118", "R-122"),
    ),
    ExplainedParking(
        word="handled_already",
        meaning="A later message of the same source and id has been handled.",
        what_to_do="Nothing needs to be done.",
        rules=("R-116", "R-122"),
    ),
    ExplainedParking(
        word="cut",
        meaning="The message was too large to be kept whole.",
        what_to_do="Have its writer send it again.",
        rules=("R-122",),
    ),
    ExplainedParking(
        word="busy",
        meaning="What the message is about keeps changing at this moment.",
        what_to_do="Try again in a moment.",
        rules=("R-122",),
    ),
)

PARKING = (*PARKED, *NOT_REDRIVEN)
