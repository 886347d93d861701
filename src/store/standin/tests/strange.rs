//! A shared store that is another one when it is back.

use super::*;
use crate::store::{Lease, StoreError};

/// A member with a complete copy, and the id of the store that it is of.
async fn known() -> (Bed, String) {
    let bed = Bed::new().await;
    for _ in 0..5 {
        put(&bed.shared, "a", "1").await;
    }
    bed.quiet().await;
    let id = bed.shared.identity().await.unwrap().id;
    (bed, id)
}

/// Everything that can be asked for fails, and nothing is written.
async fn is_closed(bed: &Bed) {
    let before = bed.shared.list(&keys::all()).await.unwrap();
    let put = commit(Op::Put(key("new"), value("1"), None));
    assert!(matches!(
        bed.store.commit(put).await,
        Outcome::Failed(StoreError::Unavailable(_))
    ));
    assert!(bed.store.get(&key("a")).await.is_err());
    assert!(bed.store.grant(Duration::from_secs(9)).await.is_err());
    assert!(bed.store.identity().await.is_err());
    sleep(QUIET).await;
    assert_eq!(bed.shared.list(&keys::all()).await.unwrap(), before);
    assert_eq!(text_of(&bed.standin.copy(), "a").await.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn one_that_was_wiped_is_neither_read_nor_written_however_soon_it_is_back() {
    for away in [0, 1, 60] {
        let (bed, id) = known().await;
        let Lease { id: lease, .. } = bed.store.grant(Duration::from_secs(600)).await.unwrap();
        bed.faults.stop();
        sleep(Duration::from_secs(away)).await;
        bed.faults.wipe();
        bed.faults.start();
        // What shows it first: a lease that is gone, or a list that is of before.
        match away {
            0 => assert!(bed.standin.outer().backend.keep_alive(lease).await.is_err()),
            _ => assert!(bed.store.get(&keys::store()).await.is_err()),
        }
        is_closed(&bed).await;
        assert!(matches!(bed.standin.found(), Some(Finding::Strange(_))));
        // Whoever begins to use it gives it another id.
        bed.shared.identity().await.unwrap();
        is_closed(&bed).await;
        // It was the wrong one.
        let known = crate::store::records::StoreRecord::new(&id);
        let record = crate::store::encode(&known).unwrap();
        bed.shared.commit(commit(Op::Put(keys::store(), record, None))).await;
        put(&bed.shared, "b", "1").await;
        let back = bed.standin.look().await.unwrap();
        let Finding::Back(at) = back else {
            panic!("{back:?}: it is before what was seen");
        };
        for n in 0..9 {
            put(&bed.shared, "n", &n.to_string()).await;
        }
        assert_eq!(bed.standin.look().await.unwrap(), back, "whatever is written since");
        bed.standin.goes_back(&id, at);
        assert_eq!(bed.standin.look().await.unwrap(), Finding::Same);
        assert_eq!(text_of(&bed.store, "b").await.as_deref(), Some("1"));
        assert_eq!(bed.standin.found(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_says_that_it_is_another_is_not_copied_whatever_its_revision() {
    let (bed, _) = known().await;
    let ops = vec![Op::Delete(keys::store()), Op::Delete(key("a"))];
    let emptied = Commit {
        guards: Vec::new(),
        ops,
    };
    assert!(bed.shared.commit(emptied).await.revision().is_some());
    sleep(Duration::from_secs(1)).await;
    is_closed(&bed).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_came_in_place_of_the_known_one_is_told_from_a_strange_one() {
    let (bed, id) = known().await;
    let next = crate::store::records::StoreRecord::new("next");
    let next = next.following(&crate::store::records::StoreRecord::new(&id));
    let record = crate::store::encode(&next).unwrap();
    bed.shared.commit(commit(Op::Put(keys::store(), record, None))).await;
    sleep(Duration::from_secs(1)).await;
    // Not before what is here was brought in line.
    assert!(bed.store.get(&key("a")).await.is_err());
    assert_eq!(bed.standin.found(), Some(Finding::Follows(next)));
    bed.standin.goes_on_with("next");
    bed.quiet().await;
    assert_eq!(bed.standin.stands().store.as_deref(), Some("next"));
}

#[tokio::test(start_paused = true)]
async fn one_that_lacks_too_much_is_strange_until_it_says_something_else() {
    let (bed, id) = known().await;
    bed.faults.wipe();
    let record = crate::store::encode(&crate::store::records::StoreRecord::new(&id)).unwrap();
    let put_record = commit(Op::Put(keys::store(), record, None));
    bed.shared.commit(put_record.clone()).await;
    assert_eq!(bed.standin.look().await.unwrap(), Finding::Back(Revision(1)));
    let entry = bed.shared.get(&keys::store()).await.unwrap();
    bed.standin.lacks(entry, "it lacks".to_owned());
    for _ in 0..2 {
        assert_eq!(
            bed.standin.look().await.unwrap(),
            Finding::Strange("it lacks".to_owned())
        );
    }
    // It does not answer: that is no news.
    bed.faults.set_unavailable(true);
    assert!(bed.standin.look().await.is_err());
    assert_eq!(bed.standin.found(), Some(Finding::Strange("it lacks".to_owned())));
    bed.faults.set_unavailable(false);
    bed.shared.commit(put_record).await;
    assert_eq!(bed.standin.look().await.unwrap(), Finding::Back(Revision(1)));
}
