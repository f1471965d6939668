//! What has to hold of remembered URLs, and of the Redis that they are shared through.

use super::{Checker, HOUR};
use crate::redis::is_host;
use crate::{BlockedUrls, ByteSize, Config, RedisMode, RedisSettings};
use std::time::Duration;

/// Enough for any file of Sentinels or of nodes to begin with.
const MAX_SERVERS: usize = 16;

// === impl Config ===

impl Config {
    pub(super) fn check_blocked_urls(&self, root: &mut Checker<'_>) {
        self.blocked_urls.check(&mut root.at("blockedUrls"));
        self.redis.check(&mut root.at("redis"));
    }
}

// === impl BlockedUrls ===

impl BlockedUrls {
    fn check(&self, here: &mut Checker<'_>) {
        here.within("maxSize", self.max_size, ByteSize::kib(64), ByteSize::gib(1));
        here.lasts("ttl", self.ttl, Duration::from_secs(1), 24 * HOUR);
    }
}

// === impl RedisSettings ===

impl RedisSettings {
    fn check(&self, here: &mut Checker<'_>) {
        let (least, most) = (Duration::from_millis(50), Duration::from_secs(30));
        here.lasts("connectTimeout", self.connect_timeout, least, most);
        here.lasts("commandTimeout", self.command_timeout, least, most);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
        if self.key_prefix.len() > 64 || !self.key_prefix.bytes().all(is_plain) {
            here.report("keyPrefix", "is made of up to 64 letters, digits and - _ . : /");
        }
        for (field, file) in self.files() {
            if file.is_some_and(|path| !path.is_absolute()) {
                here.report(field, "is not an absolute path");
            }
        }
        for (field, name) in [("username", &self.username), ("sentinelUsername", &self.sentinel_username)] {
            let is_name = |name: &String| {
                (1..=256).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
            };
            if name.as_ref().is_some_and(|name| !is_name(name)) {
                here.report(field, "is made of 1 to 256 printable ASCII characters without blanks");
            }
        }
        if self.server_name.as_ref().is_some_and(|name| !is_host(name)) {
            here.report("serverName", "is neither a host's name nor an IP address");
        }
        if self.is_set() {
            self.check_servers(here);
        }
    }

    fn files(&self) -> [(&'static str, Option<&std::path::PathBuf>); 6] {
        [
            ("passwordFile", self.password_file.as_ref()),
            ("sentinelPasswordFile", self.sentinel_password_file.as_ref()),
            ("caFile", self.ca_file.as_ref()),
            ("certFile", self.cert_file.as_ref()),
            ("keyFile", self.key_file.as_ref()),
            ("macKeyFile", self.mac_key_file.as_ref()),
        ]
    }

    fn check_servers(&self, here: &mut Checker<'_>) {
        let field = if self.url.is_some() { "url" } else { "urls" };
        if self.url.is_some() && !self.urls.is_empty() {
            here.report("urls", "stands beside `url`; name one of the two");
            return;
        }
        here.count("urls", self.urls.len(), 0, MAX_SERVERS);
        let endpoints = self.endpoints();
        if endpoints.is_empty() {
            // Not quoted: there may be a password in it.
            let message = "is no URL of a server: redis:// or rediss:// (TLS), a host, a port and a database, without \
                           user and password (see username and passwordFile); such as redis://redis.example:6379/0";
            here.report(field, message);
            return;
        }
        let is_secure = endpoints[0].is_secure;
        if endpoints.iter().any(|endpoint| endpoint.is_secure != is_secure) {
            here.report("urls", "has redis:// and rediss:// in it; all have to be the same");
        }
        if !is_secure {
            let tls = [
                ("caFile", self.ca_file.is_some()),
                ("certFile", self.cert_file.is_some()),
                ("keyFile", self.key_file.is_some()),
                ("serverName", self.server_name.is_some()),
            ];
            for (field, _) in tls.iter().filter(|(_, is_there)| *is_there) {
                here.report(field, "says nothing unless the URL begins with rediss://");
            }
        }
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => here.report("keyFile", "is missing: certFile needs its key"),
            (None, Some(_)) => here.report("certFile", "is missing: keyFile needs its certificate"),
            _ => {}
        }
        if self.username.is_some() && self.password_file.is_none() {
            here.report("passwordFile", "is missing: a user has a password");
        }
        if self.mac_key_file.is_none() {
            here.report(
                "macKeyFile",
                "is missing: entries are believed only with a seal. Name a file of at least 32 secret bytes (beside \
                 --redis, by --redis-key-file), such as made by: head -c 32 /dev/urandom | base64 > FILE",
            );
        }
        self.check_mode(here, endpoints.len(), endpoints.iter().any(|endpoint| endpoint.database != 0));
    }

    fn check_mode(&self, here: &mut Checker<'_>, servers: usize, has_database: bool) {
        match self.mode {
            RedisMode::Standalone if servers > 1 => {
                here.report("urls", "names several servers; mode is to be sentinel or cluster then");
            }
            RedisMode::Cluster if has_database => {
                here.report("urls", "names a database; a cluster has only one");
            }
            _ => {}
        }
        let is_sentinel = self.mode == RedisMode::Sentinel;
        match &self.master_name {
            None if is_sentinel => here.report("masterName", "is missing: what Sentinels call the master"),
            Some(_) if !is_sentinel => here.report("masterName", "says nothing unless mode is sentinel"),
            Some(name) if !(1..=128).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_graphic()) => {
                here.report("masterName", "is made of 1 to 128 printable ASCII characters without blanks");
            }
            _ => {}
        }
        let of_sentinels = self.sentinel_username.is_some() || self.sentinel_password_file.is_some();
        if of_sentinels && !is_sentinel {
            here.report("sentinelPasswordFile", "says nothing unless mode is sentinel");
        } else if self.sentinel_username.is_some() && self.sentinel_password_file.is_none() {
            here.report("sentinelPasswordFile", "is missing: a user has a password");
        }
    }
}
