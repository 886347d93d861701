//! What every request passes: sessions, other sites, sizes, headers, the page.

use axum::body::Body;
use axum::http::{Method, Request};
use ninevolt::api::MAX_BODY;
use serde_json::json;
use tower::ServiceExt;

use super::bed::Bed;

#[tokio::test]
async fn a_browser_signs_in_by_cookie_and_out_again() {
    let bed = Bed::with_tokens(&["tok; 1"]).await;
    assert_eq!(
        bed.get("/api/v1/session").await.is(200).json(),
        json!({"required": true, "signed_in": false})
    );
    bed.post("/api/v1/session", json!({"token": "wrong"})).await.is(401);
    bed.post("/api/v1/session", json!({})).await.is(400);
    let answer = bed.post("/api/v1/session", json!({"token": "tok; 1"})).await.is(204);
    let cookie = answer.header("set-cookie");
    for part in ["ninevolt_token=tok%3B%201;", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = [("cookie", cookie.as_str())];
    bed.ask(Method::GET, "/api/v1/state", &with, "").await.is(200);
    assert_eq!(
        bed.ask(Method::GET, "/api/v1/session", &with, "").await.json()["signed_in"],
        true
    );
    let out = bed.ask(Method::DELETE, "/api/v1/session", &with, "").await.is(204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    let https = bed
        .ask(
            Method::POST,
            "/api/v1/session",
            &[("x-forwarded-proto", "https")],
            r#"{"token":"tok; 1"}"#,
        )
        .await;
    assert!(https.header("set-cookie").contains("Secure"));
    let open = Bed::new().await;
    assert_eq!(
        open.get("/api/v1/session").await.json(),
        json!({"required": false, "signed_in": true})
    );
}

#[tokio::test]
async fn another_site_may_not_change_anything() {
    let bed = Bed::new().await;
    let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s"}).to_string();
    bed.put("/api/v1/monitor/web", &spec).await.is(201);
    let from = |site| [("sec-fetch-site", site)];
    for (method, path) in [
        (Method::DELETE, "/api/v1/monitor/web"),
        (Method::POST, "/api/v1/monitor"),
        (Method::POST, "/api/v1/session"),
        (Method::GET, "/api/v1/monitor/web?disable=true"),
        (Method::GET, "/api/v1/monitor/web?x=1&disable"),
    ] {
        bed.ask(method.clone(), path, &from("cross-site"), "{}").await.is(403);
    }
    bed.ask(Method::GET, "/api/v1/monitor/web", &from("cross-site"), "")
        .await
        .is(200);
    bed.ask(Method::PUT, "/api/v1/monitor/web", &from("same-origin"), spec)
        .await
        .is(200);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_a_413_and_bulk_routes_take_more() {
    let bed = Bed::new().await;
    let huge = " ".repeat(MAX_BODY + 1);
    bed.put("/api/v1/monitor/web", &huge).await.is(413);
    bed.post("/api/v1/silence", &huge).await.is(413);
    let answer = bed.post("/api/v1/monitor", format!("{{}}{huge}")).await.is(200);
    assert_eq!(answer.json()["message"], "Pushed 0 configs; skipped 0 configs");
    // One definition has a limit of its own.
    let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "description": "x".repeat(300_000)});
    bed.put("/api/v1/monitor/web", spec).await.is(422);
}

#[tokio::test]
async fn bodies_of_every_wrong_shape_are_refused_and_nothing_panics() {
    let bed = Bed::new().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies = [
        "",
        " ",
        "null",
        "1",
        "\"x\"",
        "[]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "\u{0}",
        "nul",
        "{\"a\":1}",
        "{\"a\":[]}",
        deep.as_str(),
        "{\"\":{}}",
    ];
    for path in [
        "/api/v1/monitor",
        "/api/v1/alerter",
        "/api/v1/silence",
        "/api/v1/sync",
        "/api/v1/session",
    ] {
        for body in bodies {
            let status = bed.post(path, body).await.status.as_u16();
            assert!(
                (400..500).contains(&status),
                "{path} {status} {:?}",
                &body[..body.len().min(20)]
            );
        }
    }
    bed.ask(Method::POST, "/api/v1/monitor", &[], Body::from(vec![0xff, 0xfe, b'{']))
        .await
        .is(400);
    assert_eq!(bed.get("/api/v1/monitor").await.text, "{}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_a_408() {
    let bed = Bed::new().await;
    let endless = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    bed.ask(Method::PUT, "/api/v1/monitor/web", &[], endless).await.is(408);
    let broken = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
    bed.ask(Method::PUT, "/api/v1/monitor/web", &[], Body::from_stream(broken))
        .await
        .is(400);
}

#[tokio::test]
async fn every_answer_says_that_it_is_not_to_be_sniffed_framed_or_kept() {
    let bed = Bed::new().await;
    for path in ["/", "/api/v1/state", "/nowhere", "/api/v1/monitor/x", "/metrics"] {
        let answer = bed.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_page_is_served_for_every_path_below_ui_and_its_assets_only_by_name() {
    let bed = Bed::new().await;
    let page = bed.get("/ui").await.is(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        page.header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    for path in ["/ui/", "/ui/monitors/web", "/ui/index.html", "/ui/..%2f..%2fCargo.toml"] {
        assert_eq!(bed.get(path).await.is(200).text, page.text, "{path}");
    }
    bed.get("/ui/assets/old-1234.js").await.is(404);
    if page.text.contains("built without the page") {
        assert_eq!(page.header("cache-control"), "no-store");
    } else {
        assert_eq!(page.header("cache-control"), "no-cache");
        let etag = page.header("etag").to_owned();
        bed.ask(Method::GET, "/ui", &[("if-none-match", &etag)], "")
            .await
            .is(304);
    }
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_asks() {
    let bed = Bed::new().await;
    bed.put(
        "/api/v1/monitor/web",
        json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "description": "x".repeat(500)}),
    )
    .await
    .is(201);
    for path in [
        "/openapi.json",
        "/api/v1/state",
        "/api/v1/monitor",
        "/metrics",
        "/api/v1/overview",
    ] {
        let request = Request::get(path)
            .header("accept-encoding", "gzip")
            .body(Body::empty())
            .unwrap();
        let response = bed.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip", "{path}");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(body.starts_with(&[0x1f, 0x8b]), "{path}");
    }
}

#[tokio::test]
async fn a_page_from_a_directory_is_served_with_its_rules_and_nothing_outside_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("page");
    std::fs::create_dir_all(page.join("assets")).unwrap();
    std::fs::write(page.join("index.html"), "<script>a()</script><p>page").unwrap();
    std::fs::write(page.join("assets/a-1.js"), "b()").unwrap();
    std::fs::write(page.join("assets/a-1.js.gz"), "zipped").unwrap();
    std::fs::write(page.join("favicon.svg"), "<svg/>").unwrap();
    std::fs::write(dir.path().join("outside"), "outside").unwrap();
    let bed = Bed::with(ninevolt::api::Options {
        page_dir: Some(page),
        ..Default::default()
    })
    .await;
    let index = bed.get("/ui/incidents").await.is(200);
    assert_eq!(index.text, "<script>a()</script><p>page");
    assert!(
        index
            .header("content-security-policy")
            .contains("script-src 'self' 'sha256-")
    );
    let asset = bed.get("/ui/assets/a-1.js").await.is(200);
    assert_eq!(
        (asset.text.as_str(), asset.header("content-type")),
        ("b()", "text/javascript")
    );
    assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
    let zipped = bed
        .ask(Method::GET, "/ui/assets/a-1.js", &[("accept-encoding", "gzip, br")], "")
        .await
        .is(200);
    assert_eq!(
        (zipped.text.as_str(), zipped.header("content-encoding")),
        ("zipped", "gzip")
    );
    assert_eq!(
        bed.get("/ui/favicon.svg").await.is(200).header("cache-control"),
        "no-cache"
    );
    for path in [
        "/ui/..%2foutside",
        "/ui/assets/..%2f..%2foutside",
        "/ui/%2fetc%2fpasswd",
    ] {
        let answer = bed.get(path).await;
        assert!(
            answer.status == 404 || answer.text == index.text,
            "{path}: {}",
            answer.text
        );
    }
}
