"""The activation service: what one activation code is worth, and who holds a seat on it.

It hears the requests of devices (a code added, a license expired, Activate now, a retry), the shops (a
renewal was bought) and operators (issue, block, release a seat). It decides whether a code is good for a
device, checks it afresh at every attempt, and keeps the one date on which its term began.
It says, on `activation.events.v1`, the complete life of each activation code in one order.
"""
