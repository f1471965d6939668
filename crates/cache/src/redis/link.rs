//! One connection to one server.

use super::bounded::{Allowance, Bounded};
use super::error::{Failure, RedisError};
use icapstan_api::RedisSettings;
use icapstan_tls::{ClientFiles, TlsError, client_config};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisConnectionInfo, Value};
use rustls::pki_types::ServerName;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A connection that takes one command at a time. It ends when this is dropped.
pub(crate) struct Link {
    connection: MultiplexedConnection,
    driver: AbortHandle,
    allowance: Allowance,
    timeout: Duration,
}

/// Where to, and as whom.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: u32,
    pub(super) is_secure: bool,
    pub(super) username: Option<&'a str>,
    pub(super) password_file: Option<&'a Path>,
}

/// The most bytes of an answer of which nothing else is known.
const SMALL: usize = 64 << 10;
/// No password is longer.
const MAX_PASSWORD: u64 = 4096;

// === impl Link ===

impl Link {
    /// Connects, and says who it is.
    pub(super) async fn open(target: &Target<'_>, settings: &RedisSettings) -> Result<Self, RedisError> {
        let limit = settings.connect_timeout;
        let what = format!("{}:{}", target.host, target.port);
        let password = match target.password_file {
            Some(path) => Some(password(path)?),
            None => None,
        };
        let opening = async {
            let fault = |error: io::Error| RedisError::of(Failure::Connect, &what, &error);
            let stream = TcpStream::connect((target.host, target.port)).await.map_err(fault)?;
            stream.set_nodelay(true).map_err(fault)?;
            if !target.is_secure {
                return Self::over(stream, target, password.as_deref(), settings.command_timeout).await;
            }
            let connector =
                connector(settings).map_err(|error| RedisError::of(Failure::Tls, &what, &error))?;
            let name = settings.server_name.as_deref().unwrap_or(target.host);
            let name = ServerName::try_from(name.to_owned())
                .map_err(|error| RedisError::of(Failure::Tls, &what, &error))?;
            let stream = connector
                .connect(name, stream)
                .await
                .map_err(|error| RedisError::of(Failure::Tls, &what, &error))?;
            Self::over(stream, target, password.as_deref(), settings.command_timeout).await
        };
        let late = || RedisError::new(Failure::Timeout, &format!("{what}: no connection in time"));
        timeout(limit, opening).await.unwrap_or_else(|_| Err(late()))
    }

    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        target: &Target<'_>,
        password: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, RedisError> {
        let allowance = Allowance::default();
        allowance.set(SMALL);
        let mut info =
            RedisConnectionInfo::default().set_db(i64::from(target.database)).set_skip_set_lib_name();
        if let Some(username) = target.username {
            info = info.set_username(username);
        }
        if let Some(password) = password {
            info = info.set_password(password);
        }
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let stream = Bounded::new(stream, allowance.clone());
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
        // Whoever asks learns how it ends.
        let driver = tokio::spawn(driver).abort_handle();
        Ok(Self { connection, driver, allowance, timeout })
    }

    /// What the server says to a command.
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisError> {
        self.ask_for(command, SMALL, Duration::ZERO).await
    }

    /// The same, for an answer of up to `most` bytes that may take `longer` than others.
    pub(crate) async fn ask_for<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        most: usize,
        longer: Duration,
    ) -> Result<T, RedisError> {
        self.allowance.set(most);
        let answer = timeout(self.timeout + longer, self.connection.send_packed_command(command)).await;
        let Ok(answer) = answer else {
            return Err(RedisError::new(Failure::Timeout, "Redis: no answer in time"));
        };
        let answer = answer.and_then(Value::extract_error).map_err(|error| {
            if self.allowance.is_spent() {
                RedisError::new(Failure::Oversized, "Redis: an answer is too large")
            } else {
                RedisError::from(error)
            }
        })?;
        T::from_redis_value(answer).map_err(|_| RedisError::unexpected())
    }
}

impl Link {
    /// What the server says to `count` commands that go out together: how many it carried out, and what it
    /// first refused.
    pub(crate) async fn ask_all(
        &mut self,
        commands: &Pipeline,
        count: usize,
    ) -> Result<(usize, Option<RedisError>), RedisError> {
        self.allowance.set(SMALL);
        let answer = timeout(self.timeout, self.connection.send_packed_commands(commands, 0, count)).await;
        let Ok(answers) = answer else {
            return Err(RedisError::new(Failure::Timeout, "Redis: no answer in time"));
        };
        let (mut done, mut refused) = (0, None);
        for answer in answers? {
            match answer.extract_error() {
                Ok(_) => done += 1,
                Err(error) => refused = refused.or_else(|| Some(RedisError::from(error))),
            }
        }
        Ok((done, refused))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The first line of the file at `path`. Read each time, so that a new one is taken up.
fn password(path: &Path) -> Result<String, RedisError> {
    let what = path.display().to_string();
    let fault = |error: io::Error| RedisError::of(Failure::Password, &what, &error);
    let mut text = String::new();
    let file = File::open(path).map_err(fault)?;
    file.take(MAX_PASSWORD).read_to_string(&mut text).map_err(fault)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(RedisError::new(Failure::Password, &format!("{what}: is empty")));
    }
    Ok(line.to_owned())
}

/// As the settings say. Files are read each time, so that renewed ones are taken up.
fn connector(settings: &RedisSettings) -> Result<TlsConnector, TlsError> {
    let identity = settings.cert_file.as_deref().zip(settings.key_file.as_deref());
    let config = client_config(ClientFiles { ca: settings.ca_file.as_deref(), identity })?;
    Ok(TlsConnector::from(Arc::new(config)))
}
