//! What the tests share: child processes, Squid, origins, a raw ICAP client.
