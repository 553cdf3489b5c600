"""The device service: what one device's license is, and what its user may do about it.

It hears people (a code added, a reserve removed, Activate now), the calendar (a license that ends, a
delayed activation that is due) and the verdicts of the activation service. It decides whether a code
waits in reserve or is tried at once, when a license is over, and which verdict belongs to which request.
It says, on `device.events.v1`, the complete life of each device in one order.
"""
