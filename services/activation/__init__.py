"""The activation service: the activation codes, and the devices that hold seats on them.

It takes in the requests of devices (a code was added, a license expired, Activate now, a retry), of shops (a renewal
was bought) and of operators (issue, block, release a seat). It decides whether a code is good for a device, checks it
again at every attempt, and keeps the one date on which its term began. It publishes the complete life of each code, in
one order, on `activation.events.v1`.
"""
