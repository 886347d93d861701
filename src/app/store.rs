//! Opening the store, and waiting for it at the start.

use std::sync::Arc;
use std::time::Duration;

use super::peering::Peering;
use super::{ServerOptions, StartError};
use crate::cluster::Cluster;
use crate::store::records::{ClusterSettings, MemberRecord};
use crate::store::{Claim, EndpointStatus, Session, SessionError, Store, StoreError, keys};

/// The oldest etcd that has what is needed: major and minor version.
const OLDEST: (u32, u32) = (3, 4);
/// Wait before a store that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// The store that was asked for, and the data directory where it does not lock that by itself. etcd is not asked anything yet.
pub(super) async fn open(options: &ServerOptions) -> Result<(Store, Option<Claim>), StartError> {
    let Some(etcd) = &options.etcd else {
        return Ok((crate::store::open_embedded(&options.data_dir).await?, None));
    };
    // This member's identity is there: two processes with one would take it from one another again and again.
    let claim = crate::store::claim(&options.data_dir)?;
    Ok((crate::store::open_etcd(etcd)?, Some(claim)))
}

/// What it is and where, for people.
pub(super) fn described(options: &ServerOptions) -> (&'static str, String) {
    match &options.etcd {
        Some(etcd) => ("etcd", etcd.endpoints.join(", ")),
        None => ("embedded", options.data_dir.display().to_string()),
    }
}

/// The settings of the cluster, from a store that this version can read.
pub(super) async fn reach(store: &Store, options: &ServerOptions) -> Result<ClusterSettings, StartError> {
    let settings = async || {
        new_enough(&store.status().await?.endpoints)?;
        store.identity().await?;
        Ok(store.settings().await?.value)
    };
    waiting(options, settings, |error: &StoreError| Some(error.clone()))
        .await
        .map_err(Into::into)
}

/// Whether each server of the store that says its version is one that 9volt can work with.
fn new_enough(endpoints: &[EndpointStatus]) -> Result<(), StoreError> {
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u32>().ok());
    for endpoint in endpoints {
        let Some(version) = &endpoint.version else { continue };
        let mut parts = version.split('.');
        // One that says something else is taken as it is.
        if let (Some(major), Some(minor)) = (number(parts.next()), number(parts.next()))
            && (major, minor) < OLDEST
        {
            let (url, (major, minor)) = (&endpoint.url, OLDEST);
            return Err(StoreError::Invalid(format!(
                "`{url}` is an etcd of version {version}; {major}.{minor} or newer is needed"
            )));
        }
    }
    Ok(())
}

/// The first session.
pub(super) async fn join(
    cluster: &Cluster,
    options: &ServerOptions,
    peering: Option<&Peering>,
) -> Result<Arc<Session>, StartError> {
    if let Some(peering) = peering {
        let key = keys::member(&cluster.record.id);
        // What cannot be read, or not now, is said when joining.
        let there = cluster.store.read::<MemberRecord>(&key).await.ok().flatten();
        let ours = there.filter(|there| there.value.identity == cluster.record.identity);
        if let Some(there) = ours
            && let Some(twin) = peering.twin(&there.value, &cluster.record.boot).await
        {
            return Err(StartError::Twin {
                member: twin.member,
                hostname: twin.hostname,
                pid: twin.pid,
            });
        }
    }
    let of_the_store = |error: &SessionError| match error {
        SessionError::Store(error) => Some(error.clone()),
        _ => None,
    };
    waiting(options, async || cluster.join().await, of_the_store)
        .await
        .map_err(Into::into)
}

/// Tries until it works, where waiting may help: said once for each reason. Our own disk is not waited for.
async fn waiting<T, E: std::fmt::Display>(
    options: &ServerOptions,
    attempt: impl AsyncFn() -> Result<T, E>,
    of_the_store: impl Fn(&E) -> Option<StoreError>,
) -> Result<T, E> {
    let mut said = String::new();
    loop {
        let error = match attempt().await {
            Err(error) => error,
            done => return done,
        };
        let passes = matches!(
            of_the_store(&error),
            Some(StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::Denied(_))
        );
        if options.etcd.is_none() || options.require_store || !passes {
            return Err(error);
        }
        let why = error.to_string();
        if why != said {
            tracing::warn!(
                error = why,
                "cannot join the cluster yet, trying on; --require-store would end here"
            );
            said = why;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etcd_that_is_too_old_is_refused_in_one_line_and_one_that_does_not_say_is_not() {
        let of = |versions: &[Option<&str>]| {
            let endpoint = |(n, version): (usize, &Option<&str>)| EndpointStatus {
                url: format!("http://etcd-{n}"),
                version: version.map(str::to_owned),
                ..EndpointStatus::default()
            };
            let endpoints: Vec<_> = versions.iter().enumerate().map(endpoint).collect();
            new_enough(&endpoints).map_err(|error| error.to_string())
        };
        for fine in [
            None,
            Some("3.4.0"),
            Some("3.7.2"),
            Some("3.10.0-rc.1"),
            Some("4.0.0"),
            Some(""),
        ] {
            assert_eq!(of(&[fine]), Ok(()), "{fine:?}");
        }
        let said = of(&[Some("3.4.30"), None, Some("3.3.27")]).unwrap_err();
        assert!(
            said.contains("`http://etcd-2` is an etcd of version 3.3.27; 3.4 or newer is needed"),
            "{said}"
        );
        assert!(of(&[Some("2.3.8")]).is_err());
    }
}
