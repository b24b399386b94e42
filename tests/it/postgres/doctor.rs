//! `erp doctor` on PostgreSQL, and one clear line where it cannot be reached.

use erp::gateway::MODULES;

use super::{erp_with, said, stdout};
use crate::cli::{Dir, complaint};

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_how_a_module_reaches_its_data() {
    if !test_support::available("postgres") {
        return;
    }
    let dir = Dir::new();
    let url = test_support::shared().create_database(None).await;
    let urls: Vec<_> = MODULES.iter().map(|module| (*module, url.as_str())).collect();
    let run =
        |urls: &[(&str, &str)]| erp_with(&dir, &["doctor", "--bind", "127.0.0.1:0"], urls, &[]);
    let text = said(&run(&urls));
    for part in ["orders_db", "PostgreSQL", "no TLS", "no schema yet", "pending: 0001 common"] {
        assert!(text.contains(part), "{text} does not say {part}");
    }
    said(&erp_with(&dir, &["migrate"], &urls, &[]));
    let text = said(&run(&urls));
    // One role for all of them, as the tests at large have it.
    for part in ["owns its schema", "also reaches auth billing", "is up to date"] {
        assert!(text.contains(part), "{text} does not say {part}");
    }

    // A port that nobody listens on.
    let gone = "postgres://orders:s3cret@127.0.0.1:1/books";
    let output = run(&[("orders", gone)]);
    let text = stdout(&output);
    assert!(!output.status.success() && text.contains("MISSING orders"), "{text}");
    assert!(text.contains("orders_db (127.0.0.1:1/books): Connection refused"), "{text}");
    let text = complaint(&erp_with(&dir, &["serve"], &[("orders", gone)], &[]));
    assert!(text.contains("orders_db (127.0.0.1:1/books): Connection refused"), "{text}");
    assert!(!text.contains("s3cret") && !text.contains("internal_error"), "{text}");
}
