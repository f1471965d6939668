//! Files that cannot be used, and what is said about them.

use icapstan_api::{Config, ConfigError};
use proptest::prelude::*;
use std::fmt::Write;

fn message(text: &str) -> String {
    match Config::parse(text, "icapstan.yaml") {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A file, where the fault is, and what its message says.
const WRONG: &[(&str, &str, &[&str])] = &[
    // The text is no YAML.
    ("limits: [", "1:9: limits: ", &["expected a mapping of fields to values"]),
    ("limits: {sessions: 1", "2:1: ", &[]),
    ("\tlimits: 1", "1:1: ", &["cannot start any token"]),
    ("limits: *nowhere", "1:9: limits: ", &["unknown anchor"]),
    ("limits: \"", "", &["scanning a quoted scalar"]),
    ("- listen", "1:1: ", &["sequence, expected a mapping"]),
    ("listen", "1:1: ", &["expected a mapping"]),
    ("{}\n---\n{}", "", &["more than one document"]),
    // Fields that do not exist: misspelt, of later versions, of other products.
    (
        "limits:\n  queueLength: 5\n  sesions: 1",
        "3:3: limits.sesions: ",
        &[
            "unknown field \"sesions\"",
            "did you mean \"sessions\"?",
            "Known here: advertisedSessions, handshakes, httpHeadSize, icapHeadSize",
        ],
    ),
    (
        "policies:\n- name: default\n  scan:\n    max_object_size: 5",
        "4:5: policies[0].scan.max_object_size: ",
        &["did you mean \"maxObjectSize\"?"],
    ),
    ("keepalive: {}", "1:1: keepalive: ", &["did you mean \"keepAlive\"?"]),
    (
        "blockedUrls: {size: 5000Ki}",
        "1:15: blockedUrls.size: ",
        &["unknown field", "Known here: enabled, maxSize"],
    ),
    ("blockedUrls: {maxSize: 1Ki}", "blockedUrls.maxSize: ", &["1Ki is not within 64Ki to 1Gi"]),
    ("blockedUrls: {ttl: 48h}", "blockedUrls.ttl: ", &["1s to 24h"]),
    (
        "verdictCache: {size: 64Mi}",
        "1:16: verdictCache.size: ",
        &["unknown field", "Known here: enabled, lookupTimeout, maxObjectSize, maxSize, shared, ttl"],
    ),
    ("verdictCache: {maxSize: 1Ki}", "verdictCache.maxSize: ", &["1Ki is not within 1Mi to 16Gi"]),
    ("verdictCache: {maxObjectSize: 10}", "verdictCache.maxObjectSize: ", &["10 is not within 1Ki to "]),
    ("verdictCache: {ttl: 0s}", "verdictCache.ttl: ", &["1s to 24h"]),
    ("verdictCache: {lookupTimeout: 0s}", "verdictCache.lookupTimeout: ", &["0s is not within 1ms to 1s"]),
    ("verdictCache: {lookupTimeout: 2s}", "verdictCache.lookupTimeout: ", &["1ms to 1s"]),
    ("verdictCache: {shared: redis}", "1:24: verdictCache.shared: ", &[]),
    (
        "verdictCache: {shared: true}\nscanner: {clamd: {address: /run/clamd.sock}}",
        "verdictCache.shared: ",
        &["not possible with scanner.clamd", "its own settings"],
    ),
    ("verdictCache: {enabled: 64Mi}", "1:25: verdictCache.enabled: ", &[]),
    ("policies: [{name: default, scan: {cache: 1h}}]", "policies[0].scan.cache: ", &[]),
    ("partial: {enabled: true}", "1:1: partial: ", &["unknown field"]),
    ("ssl: {}", "1:1: ssl: ", &["unknown field"]),
    ("instance: {name: 'a b'}", "instance.name: ", &["without spaces"]),
    ("instance: {zone: ''}", "instance.zone: ", &["1 to 253"]),
    (
        "scanners: {addresses: [scanner.example]}",
        "scanners.addresses[0]: ",
        &["HOST:PORT", "scanners.example:7344"],
    ),
    ("scanners: {addresses: ['127.0.0.1:0']}", "scanners.addresses[0]: ", &["HOST:PORT"]),
    (
        "scanners: {addresses: ['scanner.example:7344']}",
        "scanners.tls: ",
        &["as they are", "scanners.plaintext: true"],
    ),
    ("scanners: {silence: 10ms}", "scanners.silence: ", &["200ms to 1m"]),
    ("scanners: {lookupInterval: 1h}", "scanners.lookupInterval: ", &["1s to 10m"]),
    ("scanners: {tls: {certFile: /x, keyFile: /x}}", "1:", &["missing field", "caFile"]),
    (
        "scanners: {tls: {caFile: x, certFile: /x, keyFile: /x}}",
        "scanners.tls.caFile: ",
        &["is not an absolute path"],
    ),
    (
        "scanners: {plaintext: true, tls: {caFile: /x, certFile: /x, keyFile: /x}}",
        "scanners.plaintext: ",
        &["beside tls"],
    ),
    (
        "scanServer: {listen: '0.0.0.0:7344'}",
        "scanServer.tls: ",
        &["as they are", "scanServer.plaintext: true"],
    ),
    ("scanServer: {connections: 0}", "scanServer.connections: ", &["0 is not within 1 to 65536"]),
    (
        "scanServer: {tls: {certFile: /x, keyFile: /x, clientCaFile: /x, clientNames: [gateway]}}",
        "scanServer.tls.clientNames[0]: ",
        &["dns:"],
    ),
    (
        "scaler: {listen: '0.0.0.0:7346'}",
        "scaler.tls: ",
        &["0.0.0.0:7346 could ask", "scaler.plaintext: true"],
    ),
    ("scaler: {plaintext: true, tls: {certFile: /x, keyFile: /x}}", "scaler.plaintext: ", &["beside tls"]),
    ("scaler: {tls: {certFile: x, keyFile: /x}}", "scaler.tls.certFile: ", &["is not an absolute path"]),
    (
        "scaler: {tls: {certFile: /x, keyFile: /x, clientCaFile: x}}",
        "scaler.tls.clientCaFile: ",
        &["is not an absolute path"],
    ),
    (
        "scaler: {tls: {certFile: /x, keyFile: /x, clientNames: ['dns:keda']}}",
        "scaler.tls.clientNames: ",
        &["there is no clientCaFile"],
    ),
    (
        "scaler: {tls: {certFile: /x, keyFile: /x, clientCaFile: /x, clientNames: [keda]}}",
        "scaler.tls.clientNames[0]: ",
        &["dns:"],
    ),
    ("fleet: {plan: /x}", "fleet.state: ", &["is missing"]),
    ("fleet: {plan: x, state: /x}", "fleet.plan: ", &["is not an absolute path"]),
    ("fleet: {plan: /x, planName: x, state: /x}", "fleet.planName: ", &["one plan"]),
    ("fleet: {planNamespace: x}", "fleet.planNamespace: ", &["planName does not name"]),
    ("fleet: {planName: X, state: /x}", "fleet.planName: ", &["is no name of Kubernetes"]),
    (
        "fleet: {plan: /x, state: /x, listen: '0.0.0.0:7345'}",
        "fleet.tls: ",
        &["0.0.0.0:7345 could ask", "fleet.plaintext: true"],
    ),
    (
        "fleet: {plaintext: true, tls: {certFile: /x, keyFile: /x, clientCaFile: /x}}",
        "fleet.plaintext: ",
        &["beside tls"],
    ),
    ("fleet: {planStaleAfter: 10ms}", "fleet.planStaleAfter: ", &["10ms"]),
    ("fleet: {memoryReserve: 2Ti}", "fleet.memoryReserve: ", &["1Ti"]),
    ("fleet: {stateSize: 1}", "fleet.stateSize: ", &["1"]),
    ("scaler: {connections: 1}", "1:10: scaler.connections: ", &["unknown field \"connections\""]),
    ("redis: redis://x", "1:8: redis: ", &["expected a mapping"]),
    ("redis: {host: x}", "1:9: redis.host: ", &["unknown field \"host\""]),
    (
        "redis: {url: 'http://x', macKeyFile: /x}",
        "redis.url: ",
        &["no URL of a server", "redis://redis.example"],
    ),
    ("redis: {url: 'redis://:pw@x', macKeyFile: /x}", "redis.url: ", &["without user and password"]),
    ("redis: {url: 'redis://x'}", "redis.macKeyFile: ", &["is missing", "32 secret bytes"]),
    ("redis: {url: 'redis://x', macKeyFile: x}", "redis.macKeyFile: ", &["is not an absolute path"]),
    (
        "redis: {url: 'redis://x', urls: ['redis://y'], macKeyFile: /x}",
        "redis.urls: ",
        &["name one of the two"],
    ),
    ("redis: {urls: ['redis://x', 'redis://y'], macKeyFile: /x}", "redis.urls: ", &["sentinel or cluster"]),
    (
        "redis: {urls: ['redis://x', 'rediss://y'], mode: cluster, macKeyFile: /x}",
        "redis.urls: ",
        &["all have to be the same"],
    ),
    (
        "redis: {url: 'redis://x/1', mode: cluster, macKeyFile: /x}",
        "redis.urls: ",
        &["a cluster has only one"],
    ),
    ("redis: {url: 'redis://x', mode: sentinel, macKeyFile: /x}", "redis.masterName: ", &["is missing"]),
    (
        "redis: {url: 'redis://x', masterName: x, macKeyFile: /x}",
        "redis.masterName: ",
        &["unless mode is sentinel"],
    ),
    (
        "redis: {url: 'redis://x', sentinelPasswordFile: /x, macKeyFile: /x}",
        "redis.sentinelPasswordFile: ",
        &["unless mode is sentinel"],
    ),
    ("redis: {url: 'redis://x', mode: replica}", "redis.mode: ", &["cluster, sentinel, standalone"]),
    ("redis: {url: 'redis://x', caFile: /x, macKeyFile: /x}", "redis.caFile: ", &["begins with rediss://"]),
    (
        "redis: {url: 'rediss://x', certFile: /x, macKeyFile: /x}",
        "redis.keyFile: ",
        &["certFile needs its key"],
    ),
    ("redis: {url: 'redis://x', username: x, macKeyFile: /x}", "redis.passwordFile: ", &["is missing"]),
    ("redis: {keyPrefix: '{x}'}", "redis.keyPrefix: ", &["letters, digits and"]),
    ("redis: {commandTimeout: 1ms}", "redis.commandTimeout: ", &["1ms is not within 50ms to 30s"]),
    ("quarantine: /var/lib/q", "1:13: quarantine: ", &["expected a mapping"]),
    ("quarantine: {folder: {size: 1Gi}}", "quarantine.folder.size: ", &["unknown field", "maxSize"]),
    ("quarantine: {folder: {}}", "quarantine.folder: ", &["missing field `path`"]),
    ("quarantine: {folder: {path: /x}}", "quarantine.recipientFile: ", &["is missing", "quarantine keygen"]),
    (
        "quarantine: {recipientFile: /x}",
        "quarantine.recipientFile: ",
        &["says nothing without `folder` or `s3`"],
    ),
    (
        "quarantine: {folder: {path: x}, recipientFile: /x}",
        "quarantine.folder.path: ",
        &["not an absolute path"],
    ),
    (
        "quarantine: {folder: {path: /x}, recipientFile: x}",
        "quarantine.recipientFile: ",
        &["not an absolute path"],
    ),
    (
        "quarantine: {folder: {path: /x, maxSize: 4Mi}, recipientFile: /x}",
        "quarantine.maxObjectSize: ",
        &["16Mi is more than quarantine.folder.maxSize (4Mi)"],
    ),
    (
        "quarantine: {folder: {path: /x, maxObjects: 0}, recipientFile: /x}",
        "quarantine.folder.maxObjects: ",
        &["1 to 1000000"],
    ),
    (
        "quarantine: {folder: {path: /x, maxAge: 1s}, recipientFile: /x}",
        "quarantine.folder.maxAge: ",
        &["1m to 87600h"],
    ),
    ("quarantine: {s3: {}}", "quarantine.s3: ", &["missing field `endpoint`"]),
    ("quarantine: {s3: {key: x}}", "quarantine.s3.key: ", &["unknown field", "credentialsFile"]),
    (
        "quarantine: {s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c}}",
        "quarantine.recipientFile: ",
        &["is missing", "quarantine keygen"],
    ),
    (
        "quarantine: {recipientFile: /x, folder: {path: /x}, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c}}",
        "quarantine.s3: ",
        &["beside `folder`", "one place"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 's:9000', bucket: abc, credentialsFile: /c}}",
        "quarantine.s3.endpoint: ",
        &["no URL of a store", "http://minio:9000"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s/x', bucket: abc, credentialsFile: /c}}",
        "quarantine.s3.endpoint: ",
        &["no URL of a store", "http://minio:9000"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://a:b@s/', bucket: abc, credentialsFile: /c}}",
        "quarantine.s3.endpoint: ",
        &["no URL of a store", "http://minio:9000"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: ab, credentialsFile: /c}}",
        "quarantine.s3.bucket: ",
        &["3 to 63"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: Abc, credentialsFile: /c}}",
        "quarantine.s3.bucket: ",
        &["3 to 63"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc-, credentialsFile: /c}}",
        "quarantine.s3.bucket: ",
        &["3 to 63"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: a..b, credentialsFile: /c}}",
        "quarantine.s3.bucket: ",
        &["3 to 63"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c, prefix: '/x'}}",
        "quarantine.s3.prefix: ",
        &["at most 512 letters"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c, prefix: 'a//b'}}",
        "quarantine.s3.prefix: ",
        &["at most 512 letters"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c, prefix: '../x'}}",
        "quarantine.s3.prefix: ",
        &["at most 512 letters"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c, prefix: 'a b'}}",
        "quarantine.s3.prefix: ",
        &["at most 512 letters"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c, region: ''}}",
        "quarantine.s3.region: ",
        &["1 to 64"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: c}}",
        "quarantine.s3.credentialsFile: ",
        &["not an absolute path"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c, caFile: /x}}",
        "quarantine.s3.caFile: ",
        &["unless `endpoint` begins with https://"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://127.0.0.1:9000', bucket: abc, credentialsFile: /c, pathStyle: false}}",
        "quarantine.s3.pathStyle: ",
        &["has to be true", "address"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'https://s:9000', bucket: a.bc, credentialsFile: /c, pathStyle: false}}",
        "quarantine.s3.pathStyle: ",
        &["has to be true", "certificate"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c, timeout: 1ms}}",
        "quarantine.s3.timeout: ",
        &["1s to 10m"],
    ),
    (
        "quarantine: {recipientFile: /x, s3: {endpoint: 'http://s:9000', bucket: abc, credentialsFile: /c, retryFor: 2h}}",
        "quarantine.s3.retryFor: ",
        &["0s to 1h"],
    ),
    ("quarantine: {verdicts: []}", "quarantine.verdicts: ", &["is empty"]),
    ("quarantine: {verdicts: [CLEAN]}", "quarantine.verdicts[0]: ", &["CLEAN is not kept; use DETECT"]),
    ("quarantine: {verdicts: [DETECT, DETECT]}", "quarantine.verdicts: ", &["names a verdict twice"]),
    ("quarantine: {maxObjectSize: 100}", "quarantine.maxObjectSize: ", &["100 is not within 1Ki"]),
    (
        "quarantine: {queueSize: 1Mi}",
        "quarantine.maxObjectSize: ",
        &["16Mi is more than quarantine.queueSize (1Mi)"],
    ),
    ("quarantine: {queue: 0}", "quarantine.queue: ", &["0 is not within 1 to 65536"]),
    ("policies: [{name: default, quarantine: no}]", "policies[0].quarantine: ", &["true or false"]),
    ("services: [{path: /x, tenant: 'a b'}]", "services[0].tenant: ", &["letters, digits and"]),
    ("reputation: {key: x}", "1:14: reputation.key: ", &["unknown field"]),
    (
        "reputation: {url: rep.test}",
        "reputation.url: ",
        &["no URL of a service", "https://reputation.example"],
    ),
    ("reputation: {url: 'https://a:b@rep.test/'}", "reputation.url: ", &["without user and fragment"]),
    ("reputation: {required: true}", "reputation.required: ", &["says nothing without `url`"]),
    ("reputation: {timeout: 10s}", "reputation.timeout: ", &["10s is not within 10ms to 5s"]),
    ("reputation: {cacheEntries: 1000001}", "reputation.cacheEntries: ", &["0 to 1000000"]),
    ("reputation: {cacheTtl: 0s}", "reputation.cacheTtl: ", &["1s to 24h"]),
    (
        "reputation: {url: 'http://rep.test/', caFile: /x}",
        "reputation.caFile: ",
        &["says nothing unless `url` begins with https://"],
    ),
    (
        "reputation: {url: 'https://rep.test/', caFile: ca.pem}",
        "reputation.caFile: ",
        &["is not an absolute path"],
    ),
    (
        "services:\n- path: /x\n  preview: {size: 4096, skip: {}}",
        "3:12: services[0].preview",
        &["a number of bytes"],
    ),
    ("limits: {sessions: 1, sessions: 2}", "limits: ", &["duplicate field `sessions`"]),
    ("log: {access: access.log}", "log.access: ", &["an absolute path nor -"]),
    ("12: x", "1:1: 12: ", &["unknown field"]),
    // Values that are no values of their field.
    ("listen: 1344", "1:9: listen: ", &["an IP address and a port, such as 0.0.0.0:1344"]),
    (
        "tls: {listen: none, certFile: /x, keyFile: /x}",
        "tls.listen: ",
        &["\"none\"", "an IP address and a port"],
    ),
    ("tls: {certFile: /x}", "tls: ", &["missing field `keyFile`"]),
    (
        "tls: {certFile: /x, keyFile: /x, clientCertificates: yes}",
        "tls.clientCertificates: ",
        &["unknown word \"yes\"", "none, optional, required"],
    ),
    (
        "tls: {certFile: /x, keyFile: /x, minVersion: '1.1'}",
        "tls.minVersion: ",
        &["unknown word \"1.1\"", "1.2, 1.3"],
    ),
    ("proxyProtocol: {listen: 0.0.0.0:1345}", "proxyProtocol: ", &["missing field `trustedPeers`"]),
    ("clients: {allow: [10.0.0.1/33]}", "clients.allow[0]: ", &["is no network"]),
    ("listen: localhost:1344", "1:9: listen: ", &["\"localhost:1344\"", "an IP address and a port"]),
    (
        "policies: [{name: a, partial: {delay: 0s}}]",
        "policies[0].partial.delay: ",
        &["0s is not within 1s to 1h"],
    ),
    (
        "policies: [{name: a, partial: {chunkSize: 2Mi}}]",
        "policies[0].partial.chunkSize: ",
        &["not within 1Ki to 1Mi"],
    ),
    ("policies: [{name: a, partial: {tail: 1Gi}}]", "policies[0].partial.tail: ", &["not within 0 to 16Mi"]),
    (
        "policies: [{name: a, partial: {exceptTypes: [html]}}]",
        "policies[0].partial.exceptTypes[0]: ",
        &["is no type"],
    ),
    (
        "policies: [{name: a, scan: {maxObjectSize: 100Ki}, partial: {chunkSize: 64Ki}}]",
        "policies[0].partial.chunkSize: ",
        &["64Ki is more than a quarter of scan.maxObjectSize (100Ki)"],
    ),
    ("limits: {sessions: -1}", "1:20: limits.sessions: ", &["`-1`"]),
    ("limits: {sessions: many}", "1:20: limits.sessions: ", &["\"many\""]),
    ("limits: {sessions: 5000000000}", "1:20: limits.sessions: ", &["5000000000"]),
    ("limits: {memory: 10KB}", "1:18: limits.memory: ", &["unknown unit \"KB\"", "Ki, Mi, Gi"]),
    ("limits: {memory: -5}", "1:18: limits.memory: ", &["-5", "a size such as"]),
    ("limits: {memory: lots}", "1:18: limits.memory: ", &["begins with a number"]),
    ("limits: {spool: 99999999999999999999Gi}", "limits.spool: ", &["too large"]),
    ("timeouts:\n  head: 10", "2:9: timeouts.head: ", &["\"10\" has no unit", "10s"]),
    ("timeouts: {head: 1.5s}", "1:18: timeouts.head: ", &["1500ms"]),
    ("timeouts: {head: soon}", "1:18: timeouts.head: ", &["a number and a unit"]),
    ("timeouts: {head: 1d}", "1:18: timeouts.head: ", &["unexpected unit \"d\"", "h, m, s and ms"]),
    ("keepAlive: {enabled: yes}", "1:22: keepAlive.enabled: ", &["expected true or false"]),
    (
        "log: {level: loud}",
        "1:14: log.level: ",
        &["unknown word \"loud\"", "debug, error, info, trace, warn"],
    ),
    ("log: {level: 'info,icapstan_scanner=loud'}", "1:14: log.level: ", &["unknown word \"loud\""]),
    ("log: {level: 'info,warn'}", "1:14: log.level: ", &["more than one"]),
    ("log: {level: 'info,[x]=debug'}", "1:14: log.level: ", &["no part of the program"]),
    ("log: {level: 3}", "1:14: log.level: ", &["unknown word \"3\""]),
    ("tracing: {sampleRate: 1}", "1:11: tracing.sampleRate: ", &["did you mean \"sampleRatio\"?"]),
    ("tracing: {sampleRatio: 1.5}", "1:24: tracing.sampleRatio: ", &["a share from 0 to 1"]),
    ("tracing: {sampleRatio: -1}", "1:24: tracing.sampleRatio: ", &["a share from 0 to 1"]),
    ("tracing: {sampleRatio: all}", "1:24: tracing.sampleRatio: ", &["a share from 0 to 1"]),
    ("tracing: {endpoint: 'collector:4317'}", "tracing.endpoint: ", &["http://collector.example:4317"]),
    ("tracing: {endpoint: 'http://c:4317/v1/traces'}", "tracing.endpoint: ", &["without path"]),
    ("tracing: {endpoint: 'http://collector'}", "tracing.endpoint: ", &["a host and a port"]),
    ("tracing: {endpoint: 'http://a:b@c:4317'}", "tracing.endpoint: ", &["without path, user"]),
    ("tracing: {endpoint: 'http://c:4317/?k=v'}", "tracing.endpoint: ", &["query"]),
    ("tracing: {parentsPerSecond: 100001}", "tracing.parentsPerSecond: ", &["0 to 100000"]),
    ("tracing: {timeout: 50ms}", "tracing.timeout: ", &["50ms is not within 100ms to 1m"]),
    ("tracing: {serviceName: ''}", "tracing.serviceName: ", &["1 to 64 letters"]),
    ("tracing: {serviceName: 'a b'}", "tracing.serviceName: ", &["1 to 64 letters"]),
    ("tracing: {caFile: /x}", "tracing.caFile: ", &["says nothing without `endpoint`"]),
    ("tracing: {endpoint: 'http://c:4317', caFile: /x}", "tracing.caFile: ", &["begins with https://"]),
    ("tracing: {endpoint: 'http://c:4317', headersFile: x}", "tracing.headersFile: ", &["an absolute path"]),
    ("log: {format: jsn}", "1:15: log.format: ", &["did you mean \"json\"?"]),
    ("services: {path: /x}", "1:11: services: ", &["expected a list"]),
    ("services:\n- aliases: [/x]", "services[0]: ", &["missing field `path`"]),
    (
        "services:\n- {path: /x, modes: [REQ]}",
        "2:22: services[0].modes[0]: ",
        &["unknown word \"REQ\"", "REQMOD, RESPMOD"],
    ),
    ("services:\n- {path: /x, scan: body}", "2:20: services[0].scan: ", &["all, content, none, url"]),
    ("services:\n- {path: /x, preview: on}", "services[0].preview: ", &["begins with a number"]),
    (
        "services:\n- {path: /x, preview: true}",
        "services[0].preview: ",
        &["a number of bytes such as 4096, or off"],
    ),
    (
        "policies:\n- {name: default, scan: {unpack: [zip]}}",
        "policies[0].scan.unpack[0]: ",
        &["unknown word \"zip\"", "archives, mail, mailDatabases, packed"],
    ),
    (
        "policies: [{name: default, ranges: drop}]",
        "policies[0].ranges: ",
        &["unknown word \"drop\"", "block, mark, strip"],
    ),
    (
        "policies:\n- {name: default, scan: {heuristics: deep}}",
        "policies[0].scan.heuristics: ",
        &["detail, medium, off, shallow"],
    ),
    (
        "policies:\n- name: default\n  rules:\n  - {verdict: INFECTED, action: none}",
        "4:15: policies[0].rules[0].verdict: ",
        &["ANY, CLEAN, DETECT, FAILED, MACRO, NON_SCANNED, PHISHING"],
    ),
    (
        "policies:\n- name: default\n  rules:\n  - {verdict: FAILED, reason: bored, action: none}",
        "4:31: policies[0].rules[0].reason: ",
        &["unknown word \"bored\"", "no-scanner"],
    ),
    (
        "policies:\n- name: default\n  rules:\n  - {verdict: DETECT, action: block}",
        "policies[0].rules[0].action: ",
        &["{block: detected}"],
    ),
    (
        "policies:\n- name: default\n  rules:\n  - {verdict: DETECT, action: {exec: x}}",
        "policies[0].rules[0].action.exec: ",
        &["unknown field \"exec\"", "block, redirect"],
    ),
    (
        "policies:\n- name: default\n  rules:\n  - {verdict: DETECT, action: {block: nicely}}",
        "policies[0].rules[0].action.block: ",
        &["detected, failed, notScanned, phishing, refused"],
    ),
    (
        "policies:\n- name: default\n  rules:\n  - {verdict: DETECT, action: {}}",
        "policies[0].rules[0].action: ",
        &["{block: TEMPLATE}"],
    ),
    (
        "policies:\n- name: default\n  rules:\n  - {verdict: DETECT}",
        "policies[0].rules[0]: ",
        &["missing field `action`"],
    ),
    // Values that do not go together.
    ("listen: none", "listen: ", &["neither tls nor proxyProtocol listens"]),
    (
        "tls: {listen: 0.0.0.0:1344, certFile: /x, keyFile: /x}",
        "tls.listen: ",
        &["0.0.0.0:1344 is taken by `listen` (127.0.0.1:1344)"],
    ),
    ("tls: {certFile: tls.crt, keyFile: /x}", "tls.certFile: ", &["is not an absolute path"]),
    ("tls: {certFile: /x, keyFile: tls.key}", "tls.keyFile: ", &["is not an absolute path"]),
    (
        "tls: {certFile: /x, keyFile: /x, clientCertificates: required}",
        "tls.clientCaFile: ",
        &["is needed to tell which"],
    ),
    ("tls: {certFile: /x, keyFile: /x, clientCaFile: /x}", "tls.clientCaFile: ", &["stands beside"]),
    (
        "tls: {certFile: /x, keyFile: /x, proxyProtocol: true}",
        "tls.proxyProtocol: ",
        &["needs proxyProtocol.trustedPeers"],
    ),
    ("proxyProtocol: {trustedPeers: [10.0.0.0/8]}", "proxyProtocol.listen: ", &["nobody would use it"]),
    (
        "proxyProtocol: {listen: '127.0.0.1:0', trustedPeers: []}",
        "proxyProtocol.trustedPeers: ",
        &["has a length of 0"],
    ),
    (
        "proxyProtocol: {listen: '127.0.0.1:9344', trustedPeers: [10.0.0.0/8]}",
        "admin: ",
        &["taken by `proxyProtocol.listen`"],
    ),
    ("clients: {deny: [10.0.0.1/8]}", "clients.deny[0]: ", &["did you mean 10.0.0.0/8?"]),
    (
        "clients: {authentication: {usersFile: users}}",
        "clients.authentication.usersFile: ",
        &["is not an absolute path"],
    ),
    (
        "clients: {authentication: {usersFile: /x, realm: 'a\"b'}}",
        "clients.authentication.realm: ",
        &["printable ASCII without quotes"],
    ),
    ("limits: {handshakes: 0}", "limits.handshakes: ", &["0 is not within 1 to"]),
    ("timeouts: {handshake: 1ms}", "timeouts.handshake: ", &["1ms is not within 100ms to 1h"]),
    ("admin: 0.0.0.0:1344", "admin: ", &["taken by `listen`"]),
    ("admin: 127.0.0.1:1344", "admin: ", &["127.0.0.1:1344 is taken by `listen` (127.0.0.1:1344)"]),
    ("{listen: \"[::]:9344\"}", "admin: ", &["taken by `listen`"]),
    ("signatures: \"\"", "signatures: ", &["names no folder"]),
    ("services: []", "services: ", &["length of 0", "1 to 64"]),
    (
        "services: [{path: /x, policy: strict}]",
        "services[0].policy: ",
        &["no policy \"strict\"", "there are: default"],
    ),
    (
        "services: [{path: /x}, {path: /y, aliases: [/z, /x]}]",
        "services[1].aliases[1]: ",
        &["\"/x\" is already taken by services[0].path"],
    ),
    (
        "services: [{path: /x, aliases: [/x]}]",
        "services[0].aliases[0]: ",
        &["already taken by services[0].path"],
    ),
    ("services: [{path: x}]", "services[0].path: ", &["begins with a slash"]),
    ("services: [{path: /x y}]", "services[0].path: ", &["' ' cannot stand in a path"]),
    ("services: [{path: \"/x?y\"}]", "services[0].path: ", &["'?' cannot stand"]),
    ("services: [{path: /x/../y}]", "services[0].path: ", &["no . or .."]),
    ("services: [{path: /x/}]", "services[0].path: ", &["does not end with a slash"]),
    ("services: [{path: /}]", "services[0].path: ", &["empty parts"]),
    ("services: [{path: /x, modes: []}]", "services[0].modes: ", &["REQMOD, RESPMOD or both"]),
    ("services: [{path: /x, modes: [REQMOD, REQMOD]}]", "services[0].modes: ", &["twice"]),
    (
        "services: [{path: /x, preview: 1Mi}]",
        "services[0].preview: ",
        &["1048576 is not within 0 (which is off) to 65536"],
    ),
    (
        "services: [{path: /x, optionsTtl: 59s}]",
        "services[0].optionsTtl: ",
        &["59s is not within 1m to 720h"],
    ),
    ("policies: [{name: a}, {name: a}]", "policies[1].name: ", &["already taken by policies[0]"]),
    ("limits: {sessions: -1}", "1:20: limits.sessions: ", &["a whole number up to 4294967295"]),
    ("listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2", "", &["more than one document"]),
    (
        "identity: {trustedPeers: [10.0.0.1]}",
        "identity.trustedPeers[0]: ",
        &["is no network", "192.0.2.7/32 for one address"],
    ),
    (
        "policies: [{name: a, rules: [{name: x, verdict: FAILED, action: log}, {name: x, verdict: DETECT, action: log}]}]",
        "policies[0].rules[1].name: ",
        &["\"x\" is already the name of rules[0]"],
    ),
    (
        "detectionHeaders: {databaseTime: X-DB}\npolicies: [{name: a, rules: [{verdict: DETECT, action: log, headers: [{name: x_db, value: x, to: icap}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["the name of `detectionHeaders.databaseTime`"],
    ),
    ("policies: [{name: Strict}]", "policies[0].name: ", &["lower-case letters"]),
    (
        "policies: [{name: default, scan: {timeout: 0s}}]",
        "policies[0].scan.timeout: ",
        &["0s is not within 100ms to 1h"],
    ),
    (
        "policies: [{name: default, scan: {maxObjectSize: 0}}]",
        "policies[0].scan.maxObjectSize: ",
        &["0 is not within"],
    ),
    (
        "policies: [{name: default, scan: {maxObjectSize: 2Gi}}]",
        "policies[0].scan.maxObjectSize: ",
        &["to 2147483647"],
    ),
    ("policies: [{name: default, scan: {maxDepth: 0}}]", "policies[0].scan.maxDepth: ", &["1 to 64"]),
    ("policies: [{name: default, scan: {unpack: [mail, mail]}}]", "policies[0].scan.unpack: ", &["twice"]),
    (
        "limits: {memory: 5Mi}",
        "policies[0].scan.maxObjectSize: ",
        &["10343Ki is more than limits.memory (5Mi)"],
    ),
    (
        "limits: {spool: 5Mi}",
        "policies[0].scan.maxObjectSize: ",
        &["10343Ki is more than limits.spool (5Mi)"],
    ),
    ("limits: {sessions: 0}", "limits.sessions: ", &["0 is not within 1 to"]),
    ("limits: {queueLength: 0}", "limits.queueLength: ", &["0 is not within 1 to"]),
    ("limits: {icapHeadSize: 100}", "limits.icapHeadSize: ", &["100 is not within 4Ki to 1Mi"]),
    ("scanner: {workers: 513}", "scanner.workers: ", &["513 is not within 1 to 512"]),
    ("scanner: {workers: 0}", "scanner.workers: ", &["0 is not within 1 to 512"]),
    ("scanner: {workers: 8, inFlight: 4}", "scanner.inFlight: ", &["4 is less than scanner.workers (8)"]),
    ("scanner: {tempDir: tmp}", "scanner.tempDir: ", &["absolute"]),
    ("scanner: {nice: 20}", "scanner.nice: ", &["0 to 19"]),
    ("scanner: {clamd: {}}", "scanner.clamd: ", &["missing field `address`"]),
    ("scanner: {clamd: {address: clamd.ctl}}", "scanner.clamd.address: ", &["absolute path", "with a port"]),
    (
        "scanner: {clamd: {address: 'h:3310', streams: true}}",
        "scanner.clamd.streams: ",
        &["did you mean \"stream\"?"],
    ),
    ("scanner: {unpackWorkers: 65}", "scanner.unpackWorkers: ", &["65 is not within 0 to 64"]),
    ("scanner: {unpackWorkers: -1}", "scanner.unpackWorkers: ", &["`-1`"]),
    (
        "scanner: {clamd: {address: /x}, yaraRules: {path: /x}}",
        "scanner.yaraRules.path: ",
        &["beside `clamd`"],
    ),
    ("scanner: {yaraRules: {path: rules}}", "scanner.yaraRules.path: ", &["absolute"]),
    (
        "scanner: {yaraRules: {path: /x, timeout: 1ms}}",
        "scanner.yaraRules.timeout: ",
        &["1ms is not within 10ms to 1m"],
    ),
    ("scanner: {yaraRules: /x}", "1:22: scanner.yaraRules: ", &["expected a mapping"]),
    ("scanner: {memory: 1Mi}", "scanner.memory: ", &["1Mi is not within 64Mi to"]),
    ("scanner: {poison: {ttl: 0s}}", "scanner.poison.ttl: ", &["0s is not within 1s to 24h"]),
    (
        "scanner: {poison: {entries: 2000000}}",
        "scanner.poison.entries: ",
        &["2000000 is not within 0 to 1000000"],
    ),
    (
        "scanner: {poison: {size: 1}}",
        "scanner.poison.size: ",
        &["unknown field \"size\"", "entries, shared, ttl"],
    ),
    ("scanner: {crashReports: {folder: crashes}}", "scanner.crashReports.folder: ", &["absolute"]),
    (
        "scanner: {crashReports: {folder: /tmp, files: 0}}",
        "scanner.crashReports.files: ",
        &["0 is not within 1 to 10000"],
    ),
    ("limits: {advertisedSessions: 0}", "limits.advertisedSessions: ", &["`0`", "at least 1, or none"]),
    ("limits: {advertisedSessions: all}", "limits.advertisedSessions: ", &["\"all\"", "at least 1, or none"]),
    (
        "limits: {refusals: {sessions: 418}}",
        "limits.refusals.sessions: ",
        &["418 is none of 429, 500 and 503"],
    ),
    ("limits: {refusals: {memory: 204}}", "limits.refusals.memory: ", &["204 is none of"]),
    (
        "limits: {refusals: {spool: 503}}",
        "limits.refusals.spool: ",
        &["unknown field", "memory, queue, sessions"],
    ),
    ("limits: {perClient: {sessions: 1000001}}", "limits.perClient.sessions: ", &["0 to 1000000"]),
    ("limits: {perClient: {burst: 5}}", "limits.perClient.burst: ", &["without `requestsPerSecond`"]),
    ("limits: {perClient: {requestsPerSecond: 5, burst: 0}}", "limits.perClient.burst: ", &["1 to 1000000"]),
    ("limits: {perClient: {exempt: [10.0.0.0/8]}}", "limits.perClient.exempt: ", &["says nothing without"]),
    (
        "limits: {perClient: {sessions: 5, exempt: [10.0.0.1/8]}}",
        "limits.perClient.exempt[0]: ",
        &["did you mean 10.0.0.0/8?"],
    ),
    ("keepAlive: {maxAge: 500ms}", "keepAlive.maxAge: ", &["500ms is not within 1s to 8760h"]),
    ("keepAlive: {enabled: false, onlyWhenAsked: true}", "keepAlive.onlyWhenAsked: ", &["says nothing"]),
    ("keepAlive: {idleTimeout: 0s}", "keepAlive.idleTimeout: ", &["0s is not within 1s to 24h"]),
    ("timeouts: {write: 0s}", "timeouts.write: ", &["0s is not within"]),
    ("timeouts: {bodyIdle: 2h}", "timeouts.bodyIdle: ", &["2h is not within 100ms to 1h"]),
    ("timeouts: {minimumRate: 0}", "timeouts.minimumRate: ", &["0 is not within 1 to 1Gi"]),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, reason: size, action: none}]}]",
        "policies[0].rules[0].reason: ",
        &["\"size\" is no reason of DETECT", "leave the reason out"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: FAILED, reason: size, action: none}]}]",
        "policies[0].rules[0].reason: ",
        &["its reasons are time, temp-space, engine-error, crash, memory, no-scanner, reputation"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: FAILED, action: {block: detected}}]}]",
        "policies[0].rules[0].action.block: ",
        &["would not tell the truth about FAILED; use failed or refused"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: CLEAN, action: {block: refused}}]}]",
        "policies[0].rules[0].action: ",
        &["clean objects cannot be blocked without a condition"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: ANY, action: {redirect: 'http://h/'}}]}]",
        "policies[0].rules[0].action: ",
        &["clean objects cannot be blocked without a condition"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: ANY, when: {methods: [GET]}, action: {block: failed}}]}]",
        "policies[0].rules[0].action.block: ",
        &["would not tell the truth about ANY; use refused"],
    ),
    // Header fields that rules add.
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: 'X A', value: x, to: icap}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["is no name of a header field"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: '', value: x, to: icap}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["length of 0; allowed is 1 to 64"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: Connection, value: x, to: http}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["belongs to the connection or to the framing"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: transfer-encoding, value: x, to: http}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["belongs to the connection or to the framing"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: Content-Length, value: x, to: http}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["belongs to the connection or to the framing"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: TE, value: x, to: http}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["belongs to the connection or to the framing"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: ISTag, value: x, to: icap}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["has a meaning in ICAP"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: encapsulated, value: x, to: icap}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["has a meaning in ICAP"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-Icapstan-Reason, value: x, to: icap}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["has a meaning in ICAP"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-Virus-ID, value: x, to: icap}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["has a meaning in ICAP"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: Preview, value: x, to: icap}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["has a meaning in ICAP"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: Host, value: x, to: http}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["says where the message goes or what it is"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: Content-Type, value: x, to: http}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["says where the message goes or what it is"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: Set-Cookie, value: x, to: http}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["says where the message goes or what it is"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: Location, value: x, to: http}]}]}]",
        "policies[0].rules[0].headers[0].name: ",
        &["says where the message goes or what it is"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-A, value: x, to: http}, {name: X-A, value: y, to: icap}, {name: x-a, value: z, to: http}]}]}]",
        "policies[0].rules[0].headers[2].name: ",
        &["already set by headers[0]"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-A, value: x, to: both}]}]}]",
        "policies[0].rules[0].headers[0].to: ",
        &["icap", "http"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-A, value: '', to: http}]}]}]",
        "policies[0].rules[0].headers[0].value: ",
        &["is empty"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-A, value: ' x', to: http}]}]}]",
        "policies[0].rules[0].headers[0].value: ",
        &["blanks at its ends"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-A, value: '{url}', to: http}]}]}]",
        "policies[0].rules[0].headers[0].value: ",
        &[
            "{url}, which is for arguments of hooks only",
            "verdict, reason, threat, rule, transaction, service",
        ],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-A, value: '{password}', to: http}]}]}]",
        "policies[0].rules[0].headers[0].value: ",
        &["unknown variable {password}"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-A, value: '{threat', to: http}]}]}]",
        "policies[0].rules[0].headers[0].value: ",
        &["brace without its other half"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-A, value: \"a\\r\\nB: c\", to: http}]}]}]",
        "policies[0].rules[0].headers[0].value: ",
        &["use printable ASCII"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, headers: [{name: X-A, to: http}]}]}]",
        "policies[0].rules[0].headers[0]: ",
        &["missing field `value`"],
    ),
    // Hooks.
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{exec: tell}]}]}]",
        "policies[0].rules[0].hooks[0].exec: ",
        &["there is no \"tell\" in `hooks.exec`; there are none"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{}]}]}]",
        "policies[0].rules[0].hooks[0]: ",
        &["name exactly one of exec and http"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{exec: /bin/sh}]}]}]",
        "policies[0].rules[0].hooks[0].exec: ",
        &["there is no"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{exec: {command: /bin/sh}}]}]}]",
        "policies[0].rules[0].hooks[0].exec: ",
        &["a string"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{http: {url: 'http://evil.test/'}}]}]}]",
        "policies[0].rules[0].hooks[0].http.url: ",
        &["evil.test at port 80 is not in `hooks.http.allowedHosts`"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{http: {url: 'http://h/{url}'}}]}]}]",
        "policies[0].rules[0].hooks[0].http.url: ",
        &["cannot stand there"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{http: {url: 'http://ann:pw@h/'}}]}]}]",
        "policies[0].rules[0].hooks[0].http.url: ",
        &["has a user"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{http: {url: '/hook'}}]}]}]",
        "policies[0].rules[0].hooks[0].http.url: ",
        &["is no absolute URL"],
    ),
    (
        "hooks: {exec: [{name: x, command: /x}]}\npolicies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{exec: x}, {exec: x}]}]}]",
        "policies[0].rules[0].hooks[1]: ",
        &["is there twice"],
    ),
    (
        "hooks: {http: {allowedHosts: ['h:8080']}}\npolicies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{http: {url: 'http://h/'}}]}]}]",
        "policies[0].rules[0].hooks[0].http.url: ",
        &["h at port 80 is not in"],
    ),
    ("hooks: {exec: [{name: x, command: bin/x}]}", "hooks.exec[0].command: ", &["is not an absolute path"]),
    ("hooks: {exec: [{name: 'a b', command: /x}]}", "hooks.exec[0].name: ", &["is made of letters"]),
    (
        "hooks: {exec: [{name: x, command: /x}, {name: x, command: /y}]}",
        "hooks.exec[1].name: ",
        &["already taken by exec[0]"],
    ),
    (
        "hooks: {exec: [{name: x, command: /x, args: ['{password}']}]}",
        "hooks.exec[0].args[0]: ",
        &["unknown variable {password}"],
    ),
    (
        "hooks: {exec: [{name: x, command: /x, timeout: 10m}]}",
        "hooks.exec[0].timeout: ",
        &["10m is not within 100ms to 5m"],
    ),
    (
        "hooks: {http: {allowedHosts: ['*.example.com']}}",
        "hooks.http.allowedHosts[0]: ",
        &["is no host's name or IP address"],
    ),
    ("hooks: {http: {caFile: ca.pem}}", "hooks.http.caFile: ", &["is not an absolute path"]),
    ("hooks: {queue: 0}", "hooks.queue: ", &["0 is not within 1 to 65536"]),
    ("hooks: {concurrency: 65}", "hooks.concurrency: ", &["65 is not within 1 to 64"]),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: {redirect: /blocked}}]}]",
        "policies[0].rules[0].action.redirect: ",
        &["begin with http:// or https://"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: {redirect: 'http://{url}'}}]}]",
        "policies[0].rules[0].action.redirect: ",
        &["behind the ? only"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, action: {redirect: 'http://h/?{pw}'}}]}]",
        "policies[0].rules[0].action.redirect: ",
        &["{pw}", "url, threat, verdict, client, user, transaction, service"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {clients: [10.1.2.3/8]}, action: none}]}]",
        "policies[0].rules[0].when.clients[0]: ",
        &["did you mean 10.0.0.0/8?"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {clients: [everybody]}, action: none}]}]",
        "policies[0].rules[0].when.clients[0]: ",
        &["is no network"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {hosts: ['http://h']}, action: none}]}]",
        "policies[0].rules[0].when.hosts[0]: ",
        &["is no host; write example.com, or *.example.com"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {urls: ['']}, action: none}]}]",
        "policies[0].rules[0].when.urls[0]: ",
        &["is empty"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {methods: [get]}, action: none}]}]",
        "policies[0].rules[0].when.methods[0]: ",
        &["capital letters, such as POST"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {size: {min: 2, max: 1}}, action: none}]}]",
        "policies[0].rules[0].when.size: ",
        &["min (2) is more than max (1)"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {size: {}}, action: none}]}]",
        "policies[0].rules[0].when.size: ",
        &["names neither min nor max"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {services: [respmod]}, action: none}]}]",
        "policies[0].rules[0].when.services[0]: ",
        &["a path begins with a slash"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {types: ['image']}, action: none}]}]",
        "policies[0].rules[0].when.types[0]: ",
        &["is no type; write image/png, image/* or */*"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: DETECT, when: {types: ['*/png']}, action: none}]}]",
        "policies[0].rules[0].when.types[0]: ",
        &["is no type"],
    ),
    (
        "policies: [{name: default, tests: [{name: a, given: {type: 'image/*'}, expect: {action: none}}]}]",
        "policies[0].tests[0].given.type: ",
        &["write one such as image/png"],
    ),
    (
        "policies: [{name: default, skip: [{when: {hosts: [h]}}]}]",
        "1:35: policies[0].skip[0]: ",
        &["missing field `name`"],
    ),
    (
        "policies: [{name: default, skip: [{name: a, when: {}}]}]",
        "policies[0].skip[0].when: ",
        &["would leave everything out", "`scan: none`"],
    ),
    (
        "policies: [{name: default, skip: [{name: 'a b', when: {hosts: [h]}}]}]",
        "policies[0].skip[0].name: ",
        &["letters, digits"],
    ),
    (
        "policies: [{name: default, skip: [{name: a, when: {hosts: [h]}}, {name: a, when: {hosts: [i]}}]}]",
        "policies[0].skip[1].name: ",
        &["already taken by skip[0]"],
    ),
    (
        "policies: [{name: default, skip: [{name: a, when: {size: {}}}]}]",
        "policies[0].skip[0].when.size: ",
        &["names neither min nor max"],
    ),
    (
        "policies: [{name: default, tests: [{name: a, given: {}, expect: {action: none, skip: b}}]}]",
        "policies[0].tests[0].expect.skip: ",
        &["there is no \"b\""],
    ),
    // Tests of policies.
    (
        "policies: [{name: default, tests: [{name: a, given: {}}]}]",
        "1:36: policies[0].tests[0]: ",
        &["missing field `expect`"],
    ),
    (
        "policies: [{name: default, tests: [{name: a, given: {verdikt: CLEAN}, expect: {action: none}}]}]",
        "1:54: policies[0].tests[0].given.verdikt: ",
        &["did you mean \"verdict\"?"],
    ),
    (
        "policies: [{name: default, tests: [{name: a, given: {}, expect: {action: pass}}]}]",
        "policies[0].tests[0].expect.action: ",
        &["Known here: block, log, none, redirect"],
    ),
    (
        "policies: [{name: default, tests: [{name: '', given: {}, expect: {action: none}}]}]",
        "policies[0].tests[0].name: ",
        &["has a length of 0"],
    ),
    (
        "policies: [{name: default, tests: [{name: a, given: {mode: ANY}, expect: {action: none}}]}]",
        "policies[0].tests[0].given.mode: ",
        &["write REQ or RESP"],
    ),
    (
        "policies: [{name: default, tests: [{name: a, given: {verdict: FAILED}, expect: {action: none}}]}]",
        "policies[0].tests[0].given.reason: ",
        &["FAILED has one; it is one of time, temp-space"],
    ),
    (
        "policies: [{name: default, tests: [{name: a, given: {url: x, host: x}, expect: {action: none}}]}]",
        "policies[0].tests[0].given.host: ",
        &["stands beside `url`"],
    ),
    (
        "policies: [{name: default, tests: [{name: a, given: {}, expect: {action: none, rule: 'rules[0]'}}]}]",
        "policies[0].tests[0].expect.rule: ",
        &["there is no rule \"rules[0]\""],
    ),
    (
        "urlLists: {file: /x, sources: [{name: a, kind: malware, path: /a}]}",
        "urlLists.file: ",
        &["name one of the two"],
    ),
    (
        "urlLists: {sources: [{name: a, kind: bad, path: /a}]}",
        "1:38: urlLists.sources[0].kind: ",
        &["allow, category, malware, phishing"],
    ),
    (
        "urlLists: {sources: [{name: a, kind: category, path: /a}]}",
        "urlLists.sources[0].category: ",
        &["is needed"],
    ),
    (
        "urlLists: {sources: [{name: 'a b', kind: allow, path: /a}]}",
        "urlLists.sources[0].name: ",
        &["letters, digits"],
    ),
    (
        "urlLists: {sources: [{name: a, kind: allow, path: /a}, {name: a, kind: malware, path: /b}]}",
        "urlLists.sources[1].name: ",
        &["already taken by sources[0]"],
    ),
    (
        "hashLists: {file: /x, sources: [{name: a, kind: deny, path: /a}]}",
        "hashLists.file: ",
        &["name one of the two"],
    ),
    (
        "hashLists: {sources: [{name: a, kind: malware, path: /a}]}",
        "1:39: hashLists.sources[0].kind: ",
        &["allow, deny"],
    ),
    (
        "hashLists: {sources: [{name: a, kind: deny, format: hsb, path: /a}]}",
        "hashLists.sources[0].format: ",
        &["clamav, csv, plain, sha256sum"],
    ),
    (
        "hashLists: {sources: [{name: 'a b', kind: allow, path: /a}]}",
        "hashLists.sources[0].name: ",
        &["letters, digits"],
    ),
    (
        "hashLists: {sources: [{name: a, kind: allow, path: /a}, {name: a, kind: deny, path: /b}]}",
        "hashLists.sources[1].name: ",
        &["already taken by sources[0]"],
    ),
    ("hashLists: {maxAge: 1s}", "hashLists.maxAge: ", &["is not within 1m to 8760h"]),
    ("identity: {trustedPeers: [10.0.0.1/8]}", "identity.trustedPeers[0]: ", &["did you mean 10.0.0.0/8?"]),
    ("identity: {userHeader: 'X User'}", "identity.userHeader: ", &["is no name of a header field"]),
    ("detectionHeaders: {threat: ISTag}", "detectionHeaders.threat: ", &["begin with X-"]),
    ("detectionHeaders: {threat: x-response-info}", "detectionHeaders.threat: ", &["another meaning"]),
    ("detectionHeaders: {threat: 'X-A: b'}", "detectionHeaders.threat: ", &["is no name of a header field"]),
    (
        "detectionHeaders: {databaseTime: x-virus-id}",
        "detectionHeaders.databaseTime: ",
        &["the field with the threat"],
    ),
    ("identity: {userEncoding: hex}", "1:26: identity.userEncoding: ", &["base64, plain"]),
    ("events: {file: /x}", "1:9: events: ", &["expected a list"]),
    ("events: [{format: json}]", "events[0]: ", &["missing field `sink`"]),
    ("events: [{sink: {fil: /x}}]", "1:18: events[0].sink.fil: ", &["did you mean \"file\"?"]),
    ("events: [{sink: {}}]", "events[0].sink: ", &["exactly one of file, stdout and syslog"]),
    ("events: [{sink: {file: x}}]", "events[0].sink.file: ", &["not an absolute path"]),
    (
        "events: [{sink: {file: /x}}, {sink: {file: /x}}]",
        "events[1].sink.file: ",
        &["already taken by events[0]"],
    ),
    (
        "{log: {access: '-'}, events: [{sink: {stdout: {}}}]}",
        "events[0].sink.stdout: ",
        &["already taken by log.access"],
    ),
    (
        "{log: {access: /x}, events: [{sink: {file: /x}}]}",
        "events[0].sink.file: ",
        &["already taken by log.access"],
    ),
    (
        "events: [{sink: {stdout: {}}, kinds: [clean]}]",
        "events[0].kinds[0]: ",
        &["unknown word \"clean\"", "block, configuration-change, detection"],
    ),
    ("events: [{sink: {stdout: {}}, format: xml}]", "events[0].format: ", &["cef, json, text"]),
    (
        "events: [{sink: {syslog: {address: siem}}}]",
        "events[0].sink.syslog.address: ",
        &["such as siem.example:6514"],
    ),
    (
        "events: [{sink: {syslog: {address: 'h:1', connectTimeout: 10}}}]",
        "events[0].sink.syslog.connectTimeout: ",
        &["has no unit"],
    ),
    (
        "events: [{sink: {syslog: {address: 'h:1', tls: {}}}}]",
        "events[0].sink.syslog.tls: ",
        &["says nothing unless transport is tls"],
    ),
    (
        "events: [{sink: {syslog: {address: 'h:1', transport: tls, tls: {serverName: 'a b'}}}}]",
        "events[0].sink.syslog.tls.serverName: ",
        &["neither a host's name nor an IP address"],
    ),
    (
        "policies: [{name: default, rules: [{verdict: MACRO, action: log}, {mode: REQ, verdict: MACRO, action: none}]}]",
        "policies[0].rules[1]: ",
        &["has no effect: rules[0] before it"],
    ),
    (
        "policies: [{name: default, rules: [{mode: REQ, verdict: MACRO, action: log}, \
         {mode: RESP, verdict: MACRO, action: log}, {verdict: MACRO, action: none}]}]",
        "policies[0].rules[2]: ",
        &["has no effect: rules[0] and rules[1] before it"],
    ),
];

#[test]
fn each_wrong_file_is_refused_with_place_field_and_cause() {
    assert!(WRONG.len() >= 25);
    let mut unexpected = String::new();
    for (text, place, fragments) in WRONG {
        let message = message(text);
        let start = if place.starts_with(|c: char| c.is_ascii_digit()) {
            format!("icapstan.yaml:{place}")
        } else {
            "icapstan.yaml:".to_owned()
        };
        let is_right = message.starts_with(&start)
            && message.contains(place)
            && fragments.iter().all(|fragment| message.contains(fragment))
            && message.lines().count() == 1;
        if !is_right {
            writeln!(unexpected, "{text}\n  expected {place}{fragments:?}\n  said {message}").unwrap();
        }
    }
    assert!(unexpected.is_empty(), "{unexpected}");
}

#[test]
fn a_rule_is_without_effect_only_if_nothing_is_left_for_it() {
    let text = "policies: [{name: default, rules: [
        {verdict: NON_SCANNED, reason: size, action: none},
        {mode: REQ, verdict: NON_SCANNED, action: log},
        {verdict: NON_SCANNED, action: {block: notScanned}},
        {verdict: FAILED, action: log}]}]";
    assert!(Config::parse(text, "icapstan.yaml").is_ok());
}

#[test]
fn all_faults_of_values_are_named_at_once() {
    let text = "
        services: [{path: /x, policy: none-such, optionsTtl: 1s}, {path: /x}]
        scanner: {workers: 0, nice: 99}
        timeouts: {head: 0s}";
    let Err(ConfigError::Invalid { problems, .. }) = Config::parse(text, "icapstan.yaml") else { panic!() };
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "services[0].optionsTtl",
            "services[0].policy",
            "services[1].path",
            "scanner.workers",
            "scanner.nice",
            "timeouts.head"
        ]
    );
    assert_eq!(message(text).lines().filter(|line| line.starts_with("icapstan.yaml: ")).count(), 6);
}

#[test]
fn messages_quote_nothing_that_moves_a_terminal_and_stay_short() {
    let long = format!("{}: 1", "k".repeat(500_000));
    let wide = format!("services: [{{path: /x, policy: {}}}]", "p".repeat(500_000));
    for text in ["\"\\e[31mx\\r\\n\": 1", "log: {level: \"\\e[2J\"}", &long, &wide] {
        let message = message(text);
        assert!(!message.contains(char::is_control), "{message:?}");
        assert!(message.chars().count() < 1000, "{}", message.len());
    }
}

#[test]
fn texts_that_grow_without_bound_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = format!("*a{}, ", level - 1).repeat(10);
        writeln!(bomb, "a{level}: &a{level} [{previous}]").unwrap();
    }
    bomb.push_str("services: *a11\n");
    message(&bomb);
    message(&"[".repeat(100_000));
    message(&format!("services: {}", "[{aliases: ".repeat(10_000)));
    message(&format!("services: [{}]", "{path: /x},".repeat(40_000)));
    let rule = "{verdict: MACRO, action: log},";
    message(&format!("policies: [{{name: default, rules: [{}]}}]", rule.repeat(30_000)));
}

/// Pieces that configurations are made of.
fn piece() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "services",
        "policies",
        "limits",
        "scanner",
        "scan",
        "rules",
        "action",
        "block",
        "detected",
        "path",
        "name",
        "memory",
        "timeout",
        "preview",
        "off",
        "default",
        "/x",
        "10s",
        "5Ki",
        "-1",
        "1e9",
        "0x10",
        ".inf",
        "~",
        "null",
        ": ",
        ":\n  ",
        "\n- ",
        "\n",
        "  ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&a ",
        "*a",
        "!t ",
        "<<",
        "|",
        ">",
        "\"",
        "'",
        "#",
        "---",
        "...",
        "%YAML 1.1",
        "?",
        "\t",
        "\u{0}",
        "\u{feff}",
        "\u{2028}",
    ];
    prop_oneof![9 => proptest::sample::select(WORDS).prop_map(str::to_owned), 1 => "\\PC{0,5}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_the_reader_panic(pieces in proptest::collection::vec(piece(), 0..60)) {
        let _ = Config::parse(&pieces.concat(), "icapstan.yaml");
    }

    #[test]
    fn a_good_file_with_some_bytes_changed_is_read_or_refused(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), piece(), 0usize..4), 1..6),
    ) {
        let mut text: Vec<char> = include_str!("../../../../docs/configuration.md")
            .split_once("```yaml\n").unwrap().1
            .split_once("```").unwrap().0
            .chars().collect();
        for (at, piece, removed) in changes {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        let _ = Config::parse(&text, "icapstan.yaml");
    }
}
