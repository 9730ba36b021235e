//! System calls that fail: the program says so, tears nothing, and can go on.

use crate::run::{MKDIRS, Place, RENAMES, has_strace, whole};
use abr_film::engine::rng::{Purpose, Stream};

#[test]
fn a_failing_system_call_is_an_error() {
    if !has_strace() {
        return;
    }
    let mut failed = 0;
    for run in 0..60 {
        let mut rng = Stream::new(3, Purpose::TEST, run).rng(0);
        // about as many as a run makes
        let calls = [("write", 27), ("fsync", 28), (RENAMES, 4), ("linkat", 16), (MKDIRS, 4), ("ftruncate", 1)];
        let (call, most) = calls[rng.below(6) as usize];
        let (nth, error) = (1 + rng.below(most), ["EIO", "ENOSPC", "EDQUOT"][rng.below(3) as usize]);
        let what = format!("{error} at {call} {nth}");
        let place = Place::new();
        // only files of the run folder: standard error is one, too
        let inject = format!("strace -f -qq -o /dev/null -e trace={call} -e inject={call}:error={error}:when={nth}");
        let output = place.output(&inject, place.next());
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            // a message that could not be written, or a call that never came
            Some(0) => {}
            Some(1) => {
                failed += 1;
                assert!(stderr.contains("abr-film: ") || call == "write", "{what}: {stderr}");
            }
            code => panic!("{what}: exit code {code:?}: {stderr}"),
        }
        assert!(!stderr.contains("panicked"), "{what}: {stderr}");
        whole(&place.path("run"), &what);
        place.finish(&what);
    }
    assert!(failed >= 10, "only {failed} of 60 trainings saw their error");
}
