"""The warnings that come with a positive verdict, for the person who added the code. No rule here."""

from shared.reasons.entries import ExplainedNotice

NOTICES = (
    ExplainedNotice(
        word="seats_exhausted",
        meaning="The code is currently used on as many devices as it allows.",
        what_to_do="Remove the license from one of them before your license ends.",
        what_follows="Seats are counted again at the switch; if none is free then, the code is refused.",
        rules=("R-03", "R-86"),
    ),
    ExplainedNotice(
        word="less_than_full_term",
        meaning="The code will last less than its full term here, because its term began on another device.",
        what_to_do="Check the predicted end, and use another code if it is too early.",
        rules=("R-67", "R-73", "R-78"),
    ),
    ExplainedNotice(
        word="not_later_than_current",
        meaning="The code in reserve no longer lasts longer than the current license of this device.",
        what_to_do="Take it out of reserve, or replace it with a code that lasts longer.",
        what_follows="At the switch it will be refused if its term is over by then.",
        rules=("R-72", "R-73"),
    ),
    ExplainedNotice(
        word="other_edition",
        meaning="The code is for a different edition of the product than the current license of this device.",
        what_to_do="Compare the editions, and take the code out of reserve if you do not want the change.",
        what_follows="The edition changes at the switch, not before.",
        rules=("R-28",),
    ),
    ExplainedNotice(
        word="fewer_features",
        meaning="The code lacks some features of the current license of this device.",
        what_to_do="Compare the features, and take the code out of reserve if you need the missing ones.",
        what_follows="The features change at the switch, not before.",
        rules=("R-28",),
    ),
    ExplainedNotice(
        word="fewer_seats",
        meaning="The code allows fewer devices than use the current license of this device.",
        what_to_do="Decide which devices should have it, and get another code for the others.",
        what_follows="The devices that switch last will find no free seat.",
        rules=("R-29",),
    ),
    ExplainedNotice(
        word="shorter_term",
        meaning="The discounted renewal gets its shorter term here, because no earlier license is known.",
        what_to_do="Enter the code of your earlier license to get the full term.",
        rules=("R-30",),
    ),
)
