//! `9volt server`.

use tokio_util::sync::CancellationToken;

use super::{DONE, Global, ServerArgs, complain, values};
use crate::app::{App, ServerOptions, default_data_dir};
use crate::model::Secret;
use crate::telemetry;

pub(super) fn run(global: &Global, args: ServerArgs) -> anyhow::Result<u8> {
    let etcd = global.etcd.options()?;
    // Once, for people: a list of servers and the top of the keys in them.
    let state = etcd
        .as_ref()
        .map(|etcd| format!("etcd at {} (prefix {})", etcd.endpoints.join(", "), etcd.prefix));
    let options = ServerOptions {
        etcd,
        require_store: args.require_store,
        listen: args.listen,
        tags: values::list(&args.tags),
        access_tokens: values::list(&args.access_tokens).into_iter().map(Secret::new).collect(),
        data_dir: global.data_dir.clone().unwrap_or_else(default_data_dir),
        configs: args.configs,
        member_id: args.member_id,
        base_url: args.base_url.map(|url| url.trim_end_matches('/').to_owned()),
        allow_exec_from_api: args.allow_exec_from_api,
        weight: args.weight,
        lanes: args.lanes,
        cluster: global.etcd.etcd_prefix.trim_matches('/').to_owned(),
        debug_ui: global.debug_ui,
        peer_listen: args.peer_listen,
        advertise: args.advertise,
        self_test: values::places(&args.self_test).map_err(anyhow::Error::msg)?,
        isolated_after: args.isolated_after.0,
        reflector: args.reflector.options()?,
    };
    // Checks have threads of their own; this one serves the API, the store and the alerters.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let data_dir = options.data_dir.clone();
        let app = App::bind(options).await?;
        complain(&format!(
            "9volt {} keeps its state in {}{}",
            telemetry::version_line(),
            state.map(|state| format!("{state} and ")).unwrap_or_default(),
            data_dir.display()
        ));
        complain(&format!("page and API on http://{}/ui", app.address()?));
        for address in app.reflect_on() {
            complain(&format!("probes are answered on {address} (UDP)"));
        }
        // Nobody listens where no service manager started us.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let signals = async move {
            let signal = asked_to_stop().await;
            tracing::info!(signal, "stopping");
            asked.cancel();
        };
        tokio::select! {
            ended = app.run(stop) => ended,
            () = async { signals.await; std::future::pending().await } => Ok(()),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    ended.map(|()| DONE)
}

async fn asked_to_stop() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        },
        // Without handlers the system's own way of ending stays.
        _ => std::future::pending().await,
    }
}
