// An order's life through the client that OpenAPI Generator makes; run with its URL and token.
// It prints the statuses of all answers that it got, in order.

import {
    ApiResponse,
    CommandsApi,
    Configuration,
    EventType,
    Order,
    Problem,
    ProblemFromJSON,
    QueriesApi,
    Receipt,
    ResponseError,
    ReturnState,
} from './client';

declare const process: { argv: string[]; exitCode: number };

const statuses: number[] = [];

function check(condition: boolean, what: unknown): asserts condition {
    if (!condition) throw new Error(JSON.stringify(what));
}

async function receipt(
    answering: Promise<ApiResponse<Receipt>>,
    event: EventType,
): Promise<ApiResponse<Receipt> & { receipt: Receipt }> {
    const answer = await answering;
    statuses.push(answer.raw.status);
    const receipt = await answer.value();
    check(receipt.events.length === 1 && receipt.events[0] === event, receipt);
    return Object.assign(answer, { receipt });
}

async function refused(answering: Promise<unknown>): Promise<Response> {
    try {
        await answering;
    } catch (error) {
        if (!(error instanceof ResponseError)) throw error;
        statuses.push(error.response.status);
        return error.response;
    }
    throw new Error('it was not refused');
}

async function problem(answering: Promise<unknown>, code: string): Promise<Problem> {
    const response = await refused(answering);
    const problem = ProblemFromJSON(await response.json());
    check(problem.code === code && problem.status === response.status, problem);
    return problem;
}

function header(answer: ApiResponse<unknown>, name: string): string {
    const value = answer.raw.headers.get(name);
    check(value !== null, `no ${name}`);
    return value;
}

async function live(basePath: string, accessToken: string): Promise<void> {
    const configuration = new Configuration({ basePath, accessToken });
    const commands = new CommandsApi(configuration);
    const queries = new QueriesApi(configuration);

    const price = { amount: '9.99', currency: 'EUR' };
    // No discount, no tax_rate: what has a default is optional.
    const placeOrder = {
        customerId: 'ALFKI',
        currency: 'EUR',
        lines: [{ sku: '28', quantity: 3, unitPrice: price, name: null }],
        shippingAddress: { name: 'M', street: 'S 1', city: 'Berlin', country: 'DE', region: null },
        billingAddress: null,
    };
    const idempotencyKey = crypto.randomUUID();
    const placed = await receipt(
        commands.placeOrderRaw({ placeOrder, idempotencyKey }),
        EventType.OrderPlaced,
    );
    const again = await receipt(
        commands.placeOrderRaw({ placeOrder, idempotencyKey }),
        EventType.OrderPlaced,
    );
    check(header(again, 'Idempotency-Replayed') === 'true', 'replayed');
    const orderId = placed.receipt.orderId;
    check(again.receipt.orderId === orderId, again.receipt);
    const first = header(placed, 'ETag');

    const changeLineQuantity = { quantity: 2 };
    await receipt(
        commands.changeLineQuantityRaw({ orderId, lineId: 1, changeLineQuantity, ifMatch: first }),
        EventType.LineQuantityChanged,
    );
    await receipt(
        commands.applyCouponRaw({ orderId, applyCoupon: { code: 'TEN', percentOff: '10' } }),
        EventType.CouponApplied,
    );
    await problem(
        commands.applyCouponRaw({ orderId, applyCoupon: { code: 'FIVE', amountOff: price } }),
        'coupon-already-applied',
    );
    const stale = await problem(
        commands.changeLineQuantityRaw({
            orderId,
            lineId: 1,
            changeLineQuantity,
            ifMatch: `${first}, "9"`,
        }),
        'version-mismatch',
    );
    check(stale.currentVersion === 3, stale);
    const invalid = await problem(
        commands.changeLineQuantityRaw({ orderId, lineId: 1, changeLineQuantity: { quantity: 0 } }),
        'invalid-request',
    );
    check(invalid.errors?.map((field) => field.pointer).join() === '/quantity', invalid);
    const confirmed = await receipt(
        commands.confirmOrderRaw({ orderId }),
        EventType.OrderConfirmed,
    );

    async function read(consistencyToken: string): Promise<Order> {
        const answer = await queries.getOrderRaw({ orderId, consistencyToken, prefer: 'wait=20' });
        statuses.push(answer.raw.status);
        check(header(answer, 'Read-Model-Stale') === '?0', 'stale');
        const order = await answer.value();
        const unchanged = await refused(
            queries.getOrderRaw({ orderId, ifNoneMatch: header(answer, 'ETag') }),
        );
        check(unchanged.status === 304, unchanged.status);
        return order;
    }

    const total = (await read(header(confirmed, 'Consistency-Token'))).totals.total;
    check(total.amount === '17.98', total);
    await receipt(
        commands.authorizePaymentRaw({
            orderId,
            authorizePayment: { paymentId: 'pay-1', method: 'card', amount: total },
        }),
        EventType.PaymentAuthorized,
    );
    await receipt(
        commands.capturePaymentRaw({
            orderId,
            paymentId: 'pay-1',
            capturePayment: { amount: null },
        }),
        EventType.PaymentCaptured,
    );
    await receipt(
        commands.startFulfilmentRaw({ orderId, startFulfilment: {} }),
        EventType.FulfilmentStarted,
    );
    await receipt(
        commands.shipItemsRaw({
            orderId,
            shipItems: {
                shipmentId: 'ship-1',
                carrier: 'DHL',
                items: [{ lineId: 1, quantity: 2 }],
            },
        }),
        EventType.ItemsShipped,
    );
    await receipt(
        commands.deliverShipmentRaw({
            orderId,
            shipmentId: 'ship-1',
            deliverShipment: { signedBy: 'M' },
        }),
        EventType.ShipmentDelivered,
    );
    await receipt(
        commands.requestReturnRaw({
            orderId,
            requestReturn: {
                returnId: 'return-1',
                items: [{ lineId: 1, quantity: 1, reason: 'broken' }],
            },
        }),
        EventType.ReturnRequested,
    );
    await receipt(
        commands.approveReturnRaw({ orderId, returnId: 'return-1' }),
        EventType.ReturnApproved,
    );
    const received = await receipt(
        commands.receiveReturnRaw({ orderId, returnId: 'return-1', receiveReturn: {} }),
        EventType.ReturnReceived,
    );
    const due = (await read(header(received, 'Consistency-Token'))).balance.dueBack;
    const refunded = await receipt(
        commands.refundPaymentRaw({
            orderId,
            refundPayment: {
                refundId: 'refund-1',
                paymentId: 'pay-1',
                amount: due,
                reason: 'returned',
            },
        }),
        EventType.PaymentRefunded,
    );
    const consistencyToken = header(refunded, 'Consistency-Token');
    const last = await read(consistencyToken);
    check(last.returns[0].state === ReturnState.Received, last.returns);
    check(last.refunds[0].amount.amount === due.amount, last.refunds);

    const unknown = crypto.randomUUID();
    await problem(queries.getOrderRaw({ orderId: unknown }), 'order-not-found');
    const nobody = new QueriesApi(new Configuration({ basePath, accessToken: 'none' }));
    await problem(nobody.getOrderRaw({ orderId }), 'unauthorized');
    const listed = await queries.listCustomerOrders({
        customerId: 'ALFKI',
        status: last.status,
        consistencyToken,
        prefer: 'wait=20',
        limit: 100,
    });
    check(
        listed.items.some((item) => item.orderId === orderId),
        listed,
    );
}

const [, , url, token] = process.argv;
live(url, token).then(
    () => console.log(JSON.stringify(statuses)),
    (error) => {
        console.error(error);
        process.exitCode = 1;
    },
);
