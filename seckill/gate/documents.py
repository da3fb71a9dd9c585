"""Documents: the response bodies of the gate. They are encoded as JSON, and described by the OpenAPI document."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from seckill.line.state import State

Count = Annotated[int, Meta(ge=0)]
Place = Annotated[int, Meta(ge=1, description="position in the line, from 1")]
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
PollAfter = Annotated[int, Meta(description="seconds to wait before the next poll")]
OrderNumber = Annotated[str, Meta(description="order number")]
Renewed = Annotated[str, Meta(description="only after a rebuild: a new ticket that replaces the old one")]
Eta = Annotated[int, Meta(description="estimated wait in seconds at the current rate; null if the line is not moving")]


class Queued(Struct, tag_field="status", tag="queued"):
    """The purchase was accepted: a place in line, and the ticket to poll."""

    ticket: str
    place: Place
    ahead: Count
    poll_after_s: PollAfter


class TicketQueued(Struct, tag_field="status", tag="queued"):
    """The place is waiting, and there are units left."""

    place: Place
    ahead: Count
    eta_s: Eta | None
    poll_after_s: PollAfter
    ticket: Renewed | UnsetType = UNSET


class TicketWaitlisted(Struct, tag_field="status", tag="waitlisted"):
    """No unit is left. A unit that comes back goes to the first place on the waitlist."""

    place: Place
    place_in_waitlist: Place
    poll_after_s: PollAfter
    ticket: Renewed | UnsetType = UNSET


class TicketConfirmed(Struct, tag_field="status", tag="confirmed"):
    """The place has an order."""

    order: OrderNumber
    pay_before: Moment


class TicketReleased(Struct, tag_field="status", tag="released"):
    """The order of the place was cancelled or expired. Its unit went back to the line."""

    reason: Literal["cancelled", "expired"]


class TicketSoldOut(Struct, tag_field="status", tag="sold_out"):
    """The sale has ended, and the place gets no unit."""

    sold_out_at: Moment


Ticket = TicketQueued | TicketWaitlisted | TicketConfirmed | TicketReleased | TicketSoldOut


class Progress(Struct):
    """The state of a sale's line, the same for every client."""

    state: State
    admitted: Annotated[int, Meta(ge=0, description="number of places given to buyers")]
    pointer: Annotated[int, Meta(ge=0, description="all places up to this one are decided or being settled")]
    waiting: Count
    remaining: Annotated[int, Meta(ge=0, description="units neither reserved nor sold")]
    stock: Count
    reserved: Annotated[int, Meta(ge=0, description="units reserved for places that are being settled")]
    opens_at: Moment
    closes_at: Moment
    server_time: Moment
