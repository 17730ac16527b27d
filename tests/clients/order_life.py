"""An order's life through the client that openapi-python-client generates, with a URL and a token.

Prints the statuses of all answers that it got, in order.
"""

from __future__ import annotations

import json
import sys
from uuid import UUID, uuid4

from ordering_client import AuthenticatedClient
from ordering_client.api.commands import (
    apply_coupon,
    approve_return,
    authorize_payment,
    capture_payment,
    change_line_quantity,
    confirm_order,
    deliver_shipment,
    place_order,
    receive_return,
    refund_payment,
    request_return,
    ship_items,
    start_fulfilment,
)
from ordering_client.api.queries import get_order, list_customer_orders
from ordering_client.models import (
    AddressInput,
    ApplyCouponAmountOff,
    ApplyCouponPercentOff,
    AuthorizePayment,
    CapturePayment,
    ChangeLineQuantity,
    DeliverShipment,
    EventType,
    ItemInput,
    Money,
    MoneyInput,
    Order,
    OrderedLineInput,
    PlaceOrder,
    Problem,
    Receipt,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
    ReturnItemInput,
    ReturnState,
    ShipItems,
    StartFulfilment,
)
from ordering_client.types import Response, Unset

statuses: list[int] = []


def receipt(response: Response[Problem | Receipt], event: EventType) -> Receipt:
    statuses.append(response.status_code)
    assert isinstance(response.parsed, Receipt), response.content
    assert response.parsed.events == [event]
    return response.parsed


def problem(
    response: Response[Problem | Receipt] | Response[Order | Problem], code: str
) -> Problem:
    statuses.append(response.status_code)
    assert isinstance(response.parsed, Problem), response.content
    assert response.parsed.code == code, response.content
    assert response.parsed.status == response.status_code
    return response.parsed


def live(client: AuthenticatedClient) -> None:
    order_id, etag = place(client)
    total = read(client, order_id, change(client, order_id, etag)).totals.total
    assert total.amount == "17.98"
    pay(client, order_id, total)
    ship(client, order_id)
    due = read(client, order_id, send_back(client, order_id)).balance.due_back
    refund = RefundPayment(
        refund_id="refund-1",
        payment_id="pay-1",
        amount=MoneyInput(amount=due.amount, currency=due.currency),
        reason="returned",
    )
    refunded = refund_payment.sync_detailed(order_id, client=client, body=refund)
    receipt(refunded, EventType.PAYMENTREFUNDED)
    token = refunded.headers["Consistency-Token"]
    last = read(client, order_id, token)
    assert last.returns[0].state is ReturnState.RECEIVED
    assert last.refunds[0].amount == due
    refuse(client, order_id)
    listed = list_customer_orders.sync(
        "ALFKI",
        client=client,
        status=last.status,
        consistency_token=token,
        prefer="wait=20",
        limit=100,
    )
    assert listed is not None
    assert not isinstance(listed, Problem)
    assert order_id in [item.order_id for item in listed.items]


def place(client: AuthenticatedClient) -> tuple[UUID, str]:
    address = AddressInput(name="M", street="S 1", city="Berlin", country="DE", region=None)
    price = MoneyInput(amount="9.99", currency="EUR")
    order = PlaceOrder(
        customer_id="ALFKI",
        currency="EUR",
        lines=[OrderedLineInput(sku="28", quantity=3, unit_price=price, name=None)],
        shipping_address=address,
        billing_address=None,
    )
    key = str(uuid4())
    answer = place_order.sync_detailed(client=client, body=order, idempotency_key=key)
    placed = receipt(answer, EventType.ORDERPLACED)
    again = place_order.sync_detailed(client=client, body=order, idempotency_key=key)
    assert receipt(again, EventType.ORDERPLACED) == placed
    assert again.headers["Idempotency-Replayed"] == "true"
    return placed.order_id, answer.headers["ETag"]


def change(client: AuthenticatedClient, order_id: UUID, etag: str) -> str:
    quantity = ChangeLineQuantity(quantity=2)
    changed = change_line_quantity.sync_detailed(
        order_id, 1, client=client, body=quantity, if_match=etag
    )
    receipt(changed, EventType.LINEQUANTITYCHANGED)
    coupon = ApplyCouponPercentOff(code="TEN", percent_off="10")
    receipt(
        apply_coupon.sync_detailed(order_id, client=client, body=coupon), EventType.COUPONAPPLIED
    )
    price = MoneyInput(amount="9.99", currency="EUR")
    other = ApplyCouponAmountOff(code="FIVE", amount_off=price)
    problem(
        apply_coupon.sync_detailed(order_id, client=client, body=other), "coupon-already-applied"
    )
    stale = problem(
        change_line_quantity.sync_detailed(
            order_id, 1, client=client, body=quantity, if_match=f'{etag}, "9"'
        ),
        "version-mismatch",
    )
    assert stale.current_version == 3
    invalid = problem(
        change_line_quantity.sync_detailed(
            order_id, 1, client=client, body=ChangeLineQuantity(quantity=0)
        ),
        "invalid-request",
    )
    assert not isinstance(invalid.errors, Unset)
    assert [field.pointer for field in invalid.errors] == ["/quantity"]
    confirmed = confirm_order.sync_detailed(order_id, client=client)
    receipt(confirmed, EventType.ORDERCONFIRMED)
    return str(confirmed.headers["Consistency-Token"])


def read(client: AuthenticatedClient, order_id: UUID, token: str) -> Order:
    answer = get_order.sync_detailed(
        order_id, client=client, consistency_token=token, prefer="wait=20"
    )
    statuses.append(answer.status_code)
    assert answer.headers["Read-Model-Stale"] == "?0"
    assert isinstance(answer.parsed, Order), answer.content
    unchanged = get_order.sync_detailed(
        order_id, client=client, if_none_match=answer.headers["ETag"]
    )
    statuses.append(unchanged.status_code)
    assert (unchanged.status_code, unchanged.parsed) == (304, None)
    return answer.parsed


def pay(client: AuthenticatedClient, order_id: UUID, total: Money) -> None:
    paid = AuthorizePayment(
        payment_id="pay-1",
        method="card",
        amount=MoneyInput(amount=total.amount, currency=total.currency),
    )
    receipt(
        authorize_payment.sync_detailed(order_id, client=client, body=paid),
        EventType.PAYMENTAUTHORIZED,
    )
    receipt(
        capture_payment.sync_detailed(
            order_id, "pay-1", client=client, body=CapturePayment(amount=None)
        ),
        EventType.PAYMENTCAPTURED,
    )
    receipt(
        start_fulfilment.sync_detailed(order_id, client=client, body=StartFulfilment()),
        EventType.FULFILMENTSTARTED,
    )


def ship(client: AuthenticatedClient, order_id: UUID) -> None:
    parcel = ShipItems(
        shipment_id="ship-1", carrier="DHL", items=[ItemInput(line_id=1, quantity=2)]
    )
    receipt(ship_items.sync_detailed(order_id, client=client, body=parcel), EventType.ITEMSSHIPPED)
    receipt(
        deliver_shipment.sync_detailed(
            order_id, "ship-1", client=client, body=DeliverShipment(signed_by="M")
        ),
        EventType.SHIPMENTDELIVERED,
    )


def send_back(client: AuthenticatedClient, order_id: UUID) -> str:
    item = ReturnItemInput(line_id=1, quantity=1, reason="broken")
    receipt(
        request_return.sync_detailed(
            order_id, client=client, body=RequestReturn(return_id="return-1", items=[item])
        ),
        EventType.RETURNREQUESTED,
    )
    receipt(
        approve_return.sync_detailed(order_id, "return-1", client=client),
        EventType.RETURNAPPROVED,
    )
    received = receive_return.sync_detailed(
        order_id, "return-1", client=client, body=ReceiveReturn()
    )
    receipt(received, EventType.RETURNRECEIVED)
    return str(received.headers["Consistency-Token"])


def refuse(client: AuthenticatedClient, order_id: UUID) -> None:
    problem(get_order.sync_detailed(uuid4(), client=client), "order-not-found")
    nobody = AuthenticatedClient(client._base_url, "none")  # noqa: SLF001 - it has no other way
    problem(get_order.sync_detailed(order_id, client=nobody), "unauthorized")


if __name__ == "__main__":
    _, url, token = sys.argv
    live(AuthenticatedClient(url, token))
    print(json.dumps(statuses))  # noqa: T201 - what the test reads
