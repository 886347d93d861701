//! Opening the store, and waiting for it at the start.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::peering::Peering;
use super::{ServerOptions, StartError};
use crate::cluster::{Cluster, Footing};
use crate::cutoff;
use crate::store::records::{ClusterSettings, MemberRecord};
use crate::store::{Claim, EndpointStatus, Face, SessionError, Standin, Store, StoreError, keys};

/// The oldest etcd that has what is needed: major and minor version.
const OLDEST: (u32, u32) = (3, 4);
/// Wait before a store that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a member that has a copy of the store waits for the store before it begins with the copy.
const COPY_AFTER: Duration = Duration::from_secs(1);
/// Where the copy is, in the data directory.
const COPY: &str = "copy";

/// The store of a member.
pub(super) struct Opened {
    /// As the whole member sees it.
    pub(super) store: Store,
    /// Where its session is: the same, but where a copy may stand in; then the shared store, as long as it is the one that is known.
    pub(super) home: Store,
    /// What stands in for a store that is shared.
    pub(super) standin: Option<Arc<Standin>>,
    /// The data directory, where the store does not lock that by itself.
    pub(super) claim: Option<Claim>,
}

/// The store that was asked for. etcd is not asked anything yet.
pub(super) async fn open(options: &ServerOptions) -> Result<Opened, StartError> {
    let Some(etcd) = &options.etcd else {
        let store = crate::store::open_embedded(&options.data_dir).await?;
        return Ok(Opened {
            home: store.clone(),
            store,
            standin: None,
            claim: None,
        });
    };
    // This member's identity is there: two processes with one would take it from one another again and again.
    let claim = crate::store::claim(&options.data_dir)?;
    let home = crate::store::open_etcd(etcd)?;
    let (store, standin) = crate::store::open_standin(&home, &options.data_dir.join(COPY)).await?;
    Ok(Opened {
        store,
        home: standin.outer(),
        standin: Some(standin),
        claim: Some(claim),
    })
}

/// What it is and where, for people.
pub(super) fn described(options: &ServerOptions) -> (&'static str, String) {
    match &options.etcd {
        Some(etcd) => ("etcd", etcd.endpoints.join(", ")),
        None => ("embedded", options.data_dir.display().to_string()),
    }
}

/// The settings of the cluster, from a store that this version can read; if that does not answer, from the copy of it.
pub(super) async fn reach(opened: &Opened, options: &ServerOptions) -> Result<ClusterSettings, StartError> {
    let store = &opened.store;
    let may_copy = opened.standin.as_ref().filter(|standin| {
        let copy = standin.stands();
        copy.complete && !options.require_store
    });
    let settings = async || {
        if opened
            .standin
            .as_ref()
            .is_none_or(|standin| standin.face() == Face::Through)
        {
            new_enough(&store.status().await?.endpoints)?;
        }
        store.identity().await?;
        Ok(store.settings().await?.value)
    };
    let begun = Instant::now();
    let attempt = async || match settings().await {
        Err(error) if passes(&error) => match may_copy {
            // One that answers, and is another one, is not waited for.
            Some(standin) if standin.found().is_some() || begun.elapsed() >= COPY_AFTER => {
                tracing::warn!(%error, "beginning without the store, with the copy of it that is here");
                standin.stand_in().await?;
                settings().await
            }
            _ => Err(error),
        },
        done => done,
    };
    waiting(options, attempt, |error: &StoreError| Some(error.clone()))
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

/// The first session: in the store, or on the copy that this member begins with.
pub(super) async fn join(
    cluster: &Cluster,
    standin: Option<&Standin>,
    options: &ServerOptions,
    peering: Option<&Peering>,
) -> Result<Footing, StartError> {
    if let Some(standin) = standin
        && standin.face() == Face::Copy
    {
        return Ok(Footing::Copy(cutoff::alone(&standin.copy(), &cluster.record).await?));
    }
    if let Some(peering) = peering {
        let key = keys::member(&cluster.record.id);
        // What cannot be read, or not now, is said when joining.
        let there = cluster.home.read::<MemberRecord>(&key).await.ok().flatten();
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
    let may_copy = standin.filter(|standin| standin.stands().complete && !options.require_store);
    let begun = Instant::now();
    // A store that can be read may take nothing: whoever waits for room in it runs nothing until then.
    let attempt = async || match (cluster.join().await, may_copy) {
        (Err(SessionError::Store(error)), Some(standin)) if passes(&error) && begun.elapsed() >= COPY_AFTER => {
            tracing::warn!(%error, "the store does not let this member in; beginning with the copy of it that is here");
            standin.stand_in().await?;
            Ok(Footing::Copy(cutoff::alone(&standin.copy(), &cluster.record).await?))
        }
        (joined, _) => joined.map(Footing::Shared),
    };
    Ok(waiting(options, attempt, of_the_store).await?)
}

/// Whether waiting may help. Our own disk is not waited for.
fn passes(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::Denied(_)
    )
}

/// Tries until it works, where waiting may help: said once for each reason.
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
        let passes = of_the_store(&error).is_some_and(|error| passes(&error));
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
