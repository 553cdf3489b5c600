"""The warnings that come with a good verdict, for the one who added the code. No rule may come in here."""

from shared.reasons.explained import ExplainedNotice

NOTICES = (
    ExplainedNotice(
        word="seats_exhausted",
        meaning="At the moment the code is in use on as many devices as it allows.",
        what_to_do="Remove the license from one of them before your license ends.",
        what_follows="Seats are counted again at the switch; without a free one the code is refused then.",
        rules=("R-03", "R-86"),
    ),
    ExplainedNotice(
        word="less_than_full_term",
        meaning="The code will last less than its full term here, because its term began on another device.",
        what_to_do="Look at the predicted end, and use another code if it is too early.",
        rules=("R-67", "R-73", "R-78"),
    ),
    ExplainedNotice(
        word="not_later_than_current",
        meaning="The code in reserve no longer lasts longer than the license that this device has now.",
        what_to_do="Take it out of reserve, or replace it by a code that lasts longer.",
        what_follows="At the switch it would be refused if its term is over by then.",
        rules=("R-72", "R-73"),
    ),
    ExplainedNotice(
        word="other_edition",
        meaning="The code is for another edition of the product than the license that this device has now.",
        what_to_do="Compare the editions, and take the code back if the change is not wanted.",
        what_follows="The edition changes at the switch, not before.",
        rules=("R-28",),
    ),
    ExplainedNotice(
        word="fewer_features",
        meaning="Some features of the license that this device has now are missing in the code.",
        what_to_do="Compare the features, and take the code back if you need what is missing.",
        what_follows="The features change at the switch, not before.",
        rules=("R-28",),
    ),
    ExplainedNotice(
        word="fewer_seats",
        meaning="The code is for fewer devices than use the license that this device has now.",
        what_to_do="Decide which devices shall have it, and get another code for the others.",
        what_follows="The devices that come last find no free seat when they switch.",
        rules=("R-29",),
    ),
    ExplainedNotice(
        word="shorter_term",
        meaning="The discounted renewal is worth its shorter term here, because no earlier license is known.",
        what_to_do="Give the code of your earlier license to get the full term.",
        rules=("R-30",),
    ),
)
