"""The floor: the same order with the bare libraries, to compare Bellhop with. Never shipped.

Four processes, as Bellhop has, with aio-pika, PyMongo's asynchronous client, Starlette and httpx: the same twelve
messages of a paid order, commands and events persistent, mandatory and confirmed, over quorum queues, with a stream
that keeps a copy of each; the same seven journaled majority writes, each guarded by the version it was decided on;
the signed token, the sealed client secret, the verified webhook; and the live stream with its query.

What it does not have is what Bellhop is for: outbox, de-duplication, history, retries, dead letters, deadlines, stock,
refunds, disputes, contracts, metrics, logs.
"""
