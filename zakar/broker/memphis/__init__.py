"""Memphis's control protocol, answered beside a NATS server, so that programs written for its SDKs run on it.

What an SDK asks is a request on a subject of its own; what comes of it is streams and consumers of JetStream, which
hold all that is remembered. Messages themselves never pass here.
"""
