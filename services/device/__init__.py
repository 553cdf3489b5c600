"""The device service: the license of each device, and what its user can do about it.

It takes in what people do (add a code, remove the reserve, Activate now), what falls due (a license ends, a delayed
activation is retried) and the activation service's verdicts. It decides whether a code waits in reserve or is tried at
once, when a license is over, and which verdict answers which request. It publishes the complete life of each device, in
one order, on `device.events.v1`.
"""
