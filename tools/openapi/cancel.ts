// A client made from docs/openapi.json cancels an order, with a reason and without a body.
//   node build/cancel.js GATEWAY TOKEN ORDER_ID      prints the status of each answer

import createClient from "openapi-fetch";
import type { paths } from "./build/api.js";

const [baseUrl, token, orderId] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
const params = { path: { order_id: orderId } };

const without = await client.POST("/v1/orders/{order_id}/cancel", { params });
const withReason = await client.POST("/v1/orders/{order_id}/cancel", { params, body: { reason: "We leave earlier." } });
console.log(without.response.status, withReason.response.status);
