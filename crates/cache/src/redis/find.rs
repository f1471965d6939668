//! Finds the server that has the records: the one that there is, the one that Sentinels name, or the one that
//! has their slot of a cluster.

use super::error::{Failure, RedisError};
use super::link::{Link, Target};
use super::store::{Follower, Found, Place, Stored};
use icapstan_api::{RedisEndpoint, RedisMode, RedisSettings};
use redis::cmd;

/// A cluster names the right node at once; that may have changed meanwhile.
const MAX_HOPS: usize = 3;

/// How to get connections to what has the records of blocked URLs.
#[derive(Clone, Debug)]
pub struct Finder {
    servers: Servers,
    place: Place,
}

/// How to get connections.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    settings: RedisSettings,
    endpoints: Vec<RedisEndpoint>,
}

// === impl Finder ===

impl Finder {
    /// `None` if the settings name no server.
    pub(crate) fn new(settings: &RedisSettings, place: Place) -> Option<Self> {
        Some(Self { servers: Servers::new(settings)?, place })
    }

    /// Connects to the server that has the records, and takes writes.
    pub(crate) async fn connect(&self) -> Result<(Stored, Found, RedisEndpoint), RedisError> {
        let enter = async |link| {
            let mut stored = Stored::new(link, self.place.clone());
            let found = stored.state().await?;
            Ok((stored, found))
        };
        let ((stored, found), endpoint) = self.servers.find(&enter).await?;
        Ok((stored, found, endpoint))
    }

    /// Follows what is written on that server from `last` on.
    pub(crate) async fn follow(
        &self,
        endpoint: &RedisEndpoint,
        last: String,
    ) -> Result<Follower, RedisError> {
        let link = self.servers.open(endpoint).await?;
        Ok(Follower::new(link, self.place.clone(), last))
    }
}

// === impl Servers ===

impl Servers {
    /// `None` if the settings name no server.
    pub(crate) fn new(settings: &RedisSettings) -> Option<Self> {
        let endpoints = settings.endpoints();
        (!endpoints.is_empty()).then(|| Self { settings: settings.clone(), endpoints })
    }

    /// Connects to the server where `enter` succeeds, which asks for a key that it is to have.
    pub(crate) async fn find<T>(
        &self,
        enter: &impl AsyncFn(Link) -> Result<T, RedisError>,
    ) -> Result<(T, RedisEndpoint), RedisError> {
        match self.settings.mode {
            RedisMode::Standalone => self.at(&self.endpoints[0], enter).await,
            RedisMode::Sentinel => self.by_sentinels(enter).await,
            RedisMode::Cluster => self.in_cluster(enter).await,
        }
    }

    /// Connects to that server.
    pub(crate) async fn open(&self, endpoint: &RedisEndpoint) -> Result<Link, RedisError> {
        Link::open(&self.target(endpoint), &self.settings).await
    }

    async fn at<T>(
        &self,
        endpoint: &RedisEndpoint,
        enter: &impl AsyncFn(Link) -> Result<T, RedisError>,
    ) -> Result<(T, RedisEndpoint), RedisError> {
        Ok((enter(self.open(endpoint).await?).await?, endpoint.clone()))
    }

    async fn by_sentinels<T>(
        &self,
        enter: &impl AsyncFn(Link) -> Result<T, RedisError>,
    ) -> Result<(T, RedisEndpoint), RedisError> {
        let mut fault = RedisError::new(Failure::Sentinel, "no Sentinel is named");
        for sentinel in &self.endpoints {
            match self.ask_sentinel(sentinel).await {
                // It may not have noticed yet that another is the master.
                Ok(master) => match self.at(&master, enter).await {
                    Ok(found) => return Ok(found),
                    Err(error) => fault = error,
                },
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    async fn ask_sentinel(&self, sentinel: &RedisEndpoint) -> Result<RedisEndpoint, RedisError> {
        let target = Target {
            username: self.settings.sentinel_username.as_deref(),
            password_file: self.settings.sentinel_password_file.as_deref(),
            database: 0,
            ..self.target(sentinel)
        };
        let mut link = Link::open(&target, &self.settings).await?;
        let mut command = cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(self.settings.master_name.as_deref().unwrap_or_default());
        let master: Option<(String, u16)> = link.ask(&command).await?;
        let unknown = || RedisError::new(Failure::Sentinel, "a Sentinel does not know the master");
        let (host, port) = master.ok_or_else(unknown)?;
        Ok(RedisEndpoint { host, port, ..sentinel.clone() })
    }

    async fn in_cluster<T>(
        &self,
        enter: &impl AsyncFn(Link) -> Result<T, RedisError>,
    ) -> Result<(T, RedisEndpoint), RedisError> {
        let mut fault = RedisError::new(Failure::Cluster, "no node is named");
        for seed in &self.endpoints {
            let mut node = seed.clone();
            for _ in 0..MAX_HOPS {
                match self.at(&node, enter).await {
                    Ok(found) => return Ok(found),
                    Err(error) => {
                        let next = error.elsewhere.as_deref().and_then(|next| elsewhere(&node, next));
                        fault = error;
                        match next {
                            Some(next) => node = next,
                            None => break,
                        }
                    }
                }
            }
        }
        Err(fault)
    }

    fn target<'a>(&'a self, endpoint: &'a RedisEndpoint) -> Target<'a> {
        Target {
            host: &endpoint.host,
            port: endpoint.port,
            database: endpoint.database,
            is_secure: endpoint.is_secure,
            username: self.settings.username.as_deref(),
            password_file: self.settings.password_file.as_deref(),
        }
    }
}

/// The node that `node` names as `host:port`. Without a host it is the same.
fn elsewhere(node: &RedisEndpoint, named: &str) -> Option<RedisEndpoint> {
    let (host, port) = named.rsplit_once(':')?;
    let host = if host.is_empty() { &node.host } else { host };
    Some(RedisEndpoint { host: host.to_owned(), port: port.parse().ok()?, ..node.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_name_others_with_and_without_a_host() {
        let node = RedisEndpoint::parse("redis://10.0.0.1:7000").unwrap();
        for (named, expected) in [
            ("10.0.0.2:7001", Some(("10.0.0.2", 7001))),
            (":7001", Some(("10.0.0.1", 7001))),
            ("fd00::2:7001", Some(("fd00::2", 7001))),
            ("10.0.0.2", None),
            ("10.0.0.2:x", None),
        ] {
            let found = elsewhere(&node, named);
            assert_eq!(found.as_ref().map(|it| (it.host.as_str(), it.port)), expected, "{named}");
        }
    }
}
