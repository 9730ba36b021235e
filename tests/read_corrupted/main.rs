//! Runs every reader on corrupted, cut and arbitrary files. It must read or refuse them without a panic, and allocate
//! no more than a small multiple of their size, whatever a header claims. The allocator counts the bytes alive.

#![cfg(feature = "abr")]

mod dense;

use abr_film::data::read::{FORMATS, open_bytes, read_all, read_bytes};
use common::allocation::CountingAllocator;
use common::samples;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::path::Path;

/// The most bytes alive at once, as a multiple of the file's; for files made to be dense, with little beside structure.
const MULTIPLE: usize = 20;

/// The same for files of traces of 100 samples or more.
const LONG_MULTIPLE: usize = 8;

/// Bytes that do not count: buffers of fixed size. Those of `inflate` are the largest.
const FREE: usize = 160 << 10;

// per thread, because other tests allocate at the same time
thread_local! {
    static ALIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // a thread that is ending has no counters left
    let _ = ALIVE.try_with(|alive| {
        alive.set(alive.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(alive.get())));
    });
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator {
    allocated: |layout| count(layout.size() as isize),
    freed: |layout| count(-(layout.size() as isize)),
};

/// Runs `read` on files of `bytes` bytes in total. Returns its peak allocation beyond [`FREE`] as a multiple of them.
fn measured<T>(bytes: usize, read: impl FnOnce() -> T) -> (T, f64) {
    let before = ALIVE.get();
    PEAK.set(before);
    let result = read();
    let peak = (PEAK.get() - before) as usize;
    (result, peak.saturating_sub(FREE) as f64 / bytes.max(1) as f64)
}

/// The same, and asserts that the multiple is at most [`MULTIPLE`].
fn bounded<T>(what: &str, bytes: usize, read: impl FnOnce() -> T) -> (T, f64) {
    let (result, multiple) = measured(bytes, read);
    assert!(multiple <= MULTIPLE as f64, "{what}: {multiple} times its {bytes} bytes were alive");
    (result, multiple)
}

/// Reads a content. An error must name the file and a remedy.
fn read(name: &str, content: Vec<u8>) -> (bool, f64) {
    let bytes = content.len();
    let (result, multiple) = bounded(name, bytes, || read_bytes(name, content).map(drop).map_err(|e| e.to_string()));
    if let Err(message) = &result {
        assert!(message.starts_with(name) && message.contains("help: "), "{message}");
    }
    (result.is_ok(), multiple)
}

/// A sample file that a `FORMAT` names, and its companions.
struct SampleFile {
    name: &'static str,
    content: Vec<u8>,
    companions: Vec<(String, Vec<u8>)>,
}

fn all_samples() -> Vec<SampleFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats");
    let content = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let all: Vec<&str> = FORMATS.iter().flat_map(|format| format.samples).copied().collect();
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let others: Vec<String> =
        entries.map(|name| name.into_string().unwrap()).filter(|name| !all.contains(&&**name)).collect();
    let sample = |name: &'static str| {
        let stem = Path::new(name).file_stem().unwrap().to_str().unwrap();
        let beside = others.iter().filter(|other| other.starts_with(stem));
        let companions = beside.map(|other| (other.clone(), content(other))).collect();
        SampleFile { name, content: content(name), companions }
    };
    all.into_iter().map(sample).collect()
}

impl SampleFile {
    /// The number of files: its own and its companions.
    fn files(&self) -> usize {
        1 + self.companions.len()
    }

    /// Reads the sample after `change` of its file `which`; in memory if it has no companions.
    fn read_changed(&self, which: usize, change: impl Fn(&[u8]) -> Vec<u8>) -> (bool, f64) {
        let changed = |i: usize, content: &[u8]| if i == which { change(content) } else { content.to_vec() };
        if self.companions.is_empty() {
            return read(self.name, changed(0, &self.content));
        }
        let folder = tempfile::tempdir().unwrap();
        let own = std::iter::once((self.name, &self.content));
        let mut bytes = 0;
        for (i, (name, content)) in own.chain(self.companions.iter().map(|(n, c)| (&**n, c))).enumerate() {
            let content = changed(i, content);
            bytes += content.len();
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let path = [folder.path().join(self.name)];
        let (result, multiple) = bounded(self.name, bytes, || read_all(&path).map(drop).map_err(|e| e.to_string()));
        if let Err(message) = &result {
            let beside = message.starts_with(&*folder.path().to_string_lossy());
            assert!(beside && message.contains("help: "), "{message}");
        }
        (result.is_ok(), multiple)
    }
}

/// One change of a file.
#[derive(Debug, Clone)]
enum Corruption {
    Cut(f64),
    Remove(f64, usize),
    Repeat(f64, usize, usize),
    Overwrite(f64, Vec<u8>),
    Insert(f64, Vec<u8>),
}

fn corruptions() -> impl Strategy<Value = Vec<Corruption>> {
    let place = || 0.0..1.0_f64;
    // bytes that mean something in one of the formats, and arbitrary ones
    let words =
        ["0", "-1", "1e999", "NaN", ",", "\t", "\n", "\r", ":", "=", ";", "99999999999999999999", "\u{b5}", "s0"];
    let words = prop::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec());
    let numbers = prop::sample::select(vec![
        vec![0; 4],
        vec![255; 4],
        vec![255, 255, 255, 127],
        vec![0, 0, 0, 128],
        vec![255; 2],
    ]);
    let bytes = || prop_oneof![words.clone(), numbers.clone(), prop::collection::vec(any::<u8>(), 1..6)];
    let corruption = prop_oneof![
        place().prop_map(Corruption::Cut),
        (place(), 1..40_usize).prop_map(|(at, n)| Corruption::Remove(at, n)),
        (place(), 1..60_usize, 1..50_usize).prop_map(|(at, n, times)| Corruption::Repeat(at, n, times)),
        (place(), bytes()).prop_map(|(at, bytes)| Corruption::Overwrite(at, bytes)),
        (place(), bytes()).prop_map(|(at, bytes)| Corruption::Insert(at, bytes)),
    ];
    prop::collection::vec(corruption, 1..6)
}

fn corrupted(mut file: Vec<u8>, corruptions: &[Corruption]) -> Vec<u8> {
    for corruption in corruptions {
        let at = |place: &f64| (place * file.len() as f64) as usize;
        match corruption {
            Corruption::Cut(place) => file.truncate(at(place)),
            Corruption::Remove(place, n) => {
                let (from, to) = (at(place), (at(place) + n).min(file.len()));
                file.drain(from..to);
            }
            Corruption::Repeat(place, n, times) => {
                let (from, to) = (at(place), (at(place) + n).min(file.len()));
                let piece = file[from..to].repeat(*times);
                file.splice(from..from, piece);
            }
            Corruption::Overwrite(place, bytes) => {
                let (from, to) = (at(place), (at(place) + bytes.len()).min(file.len()));
                file.splice(from..to, bytes.iter().copied());
            }
            Corruption::Insert(place, bytes) => {
                let from = at(place);
                file.splice(from..from, bytes.iter().copied());
            }
        }
    }
    file
}

fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    runner
        .run(&strategy, |value| {
            test(value);
            Ok(())
        })
        .unwrap();
}

#[test]
fn corrupted_files_are_read_or_refused() {
    for sample in all_samples() {
        let name = sample.name;
        assert!(sample.read_changed(0, <[u8]>::to_vec).0, "{name} as it should be");
        let (good, worst) = (Cell::new(0), Cell::new(0.0_f64));
        run(600, (corruptions(), 0..sample.files()), |(corruptions, which)| {
            let (ok, multiple) = sample.read_changed(which, |content| corrupted(content.to_vec(), &corruptions));
            good.set(good.get() + usize::from(ok));
            worst.set(worst.get().max(multiple));
        });
        // the changes are neither so small that everything is read nor so large that every file fails the first check
        assert!((1..600).contains(&good.get()), "{name}: {} of 600 were read", good.get());
        println!("{name}: {} of 600 read, at most {:.1} times their size beyond what is free", good.get(), worst.get());
    }
}

/// An archive's checksums refuse most changes, so this corrupts the arrays before they are packed.
#[test]
fn corrupted_arrays_are_read_or_refused() {
    let headers = ["'<f4'", "'>f8'", "'<U3'", "'|S4'", "'<i2'", "'|b1'"]
        .map(|descr| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (8,), }}"));
    let good = Cell::new(0);
    run(1500, (corruptions(), 0..=headers.len(), any::<bool>()), |(corruptions, which, inside)| {
        let mut arrays = vec![("signal".to_string(), headers[0].replace("(8,)", "(8, 3)").into_bytes(), vec![1; 96])];
        for (i, header) in headers.iter().enumerate() {
            let bytes = 8 * [4, 8, 12, 4, 2, 1][i];
            arrays.push((format!("column{i}"), header.clone().into_bytes(), vec![65; bytes]));
        }
        let array = &mut arrays[which];
        if inside {
            array.1 = corrupted(array.1.clone(), &corruptions)
        } else {
            array.2 = corrupted(array.2.clone(), &corruptions)
        }
        let texts: Vec<String> = arrays.iter().map(|a| a.1.iter().map(|&b| char::from(b)).collect()).collect();
        let arrays: Vec<(&str, &str, &[u8])> =
            arrays.iter().zip(&texts).map(|(a, text)| (a.0.as_str(), text.as_str(), &a.2[..])).collect();
        good.set(good.get() + usize::from(read("x.npz", samples::archive(&arrays)).0));
    });
    assert!((1..1500).contains(&good.get()), "{} of 1500 were read", good.get());
    println!("arrays: {} of 1500 read", good.get());
}

#[test]
fn every_cut_is_refused_or_a_shorter_file() {
    for sample in all_samples() {
        for length in (0..sample.content.len()).step_by(1 + sample.content.len() / 400) {
            sample.read_changed(0, |content| content[..length].to_vec());
        }
    }
}

#[test]
fn arbitrary_bytes_are_read_or_refused() {
    let beginning =
        |sample: &SampleFile| [0, 4, 40, 400].map(|n| sample.content[..n.min(sample.content.len())].to_vec());
    let beginnings: Vec<Vec<u8>> = all_samples().iter().flat_map(beginning).collect();
    let bytes = prop::collection::vec(any::<u8>(), 0..600);
    let extensions = FORMATS.iter().flat_map(|format| format.extensions).map(|extension| format!("x.{extension}"));
    let names = prop::sample::select(extensions.collect::<Vec<_>>());
    run(3000, (prop::sample::select(beginnings), bytes, names), |(beginning, bytes, name)| {
        read(&name, [beginning, bytes].concat());
    });
}

#[test]
fn dense_files_stay_within_the_bound() {
    let archive = |rows: usize, length: usize| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {length}), }}");
        // items that do not compress
        let items = (0..rows * length).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32);
        ("x.npz", samples::archive(&[("signal", &header, &items.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())]))
    };
    let of_text = |(name, text): (&'static str, String)| (name, text.into_bytes());
    let dense = [archive(200_000, 1), archive(10_000, 20)].into_iter();
    let dense = dense.chain(dense::recordings().into_iter().chain(dense::tables()).map(of_text));
    let long =
        [archive(1000, 200), archive(1, 200_000)].into_iter().chain(dense::long_traces().into_iter().map(of_text));
    let all = dense.map(|file| (file, MULTIPLE)).chain(long.map(|file| (file, LONG_MULTIPLE)));
    let mut beyond = Vec::new();
    for (i, ((name, content), most)) in all.enumerate() {
        let bytes = content.len();
        let first: String = content.iter().take(24).map(|&byte| char::from(byte)).collect();
        // does not keep the rows of a table, whose memory is the caller's
        let walk = || open_bytes(name, content)?.try_fold(0, |rows, row| row.map(|_| rows + 1));
        let (result, multiple) = measured(bytes, || walk().map_err(|e| e.to_string()));
        let line = format!("{i}: {first:?}: at most {multiple:.1} times its {bytes} bytes: {result:.300?}");
        println!("{line}");
        assert!(most == MULTIPLE || result.is_ok(), "{line}");
        beyond.extend((multiple > most as f64).then_some(line));
    }
    assert!(beyond.is_empty(), "{}", beyond.join("\n"));
}
