//! Names of the processes that claim cells, and whether such a process lives.

use std::fs;
use std::path::Path;

/// `HOST.PROCESS.RANDOM`
pub fn own_name() -> String {
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    format!("{}.{}.{:04x}", host(), std::process::id(), random & 0xFFFF)
}

/// Whether a process lives; `None` if that cannot be told from here.
pub fn lives(owner: &str) -> Option<bool> {
    let [of_host, process, _] = owner.split('.').collect::<Vec<_>>()[..] else { return None };
    // the first process is not there where others' processes are hidden
    let told = Path::new("/proc/1").exists() && of_host == host();
    told.then(|| Path::new("/proc").join(process).exists())
}

/// The name of this host and, where the kernel tells them, of its start and of its set of process numbers: another
/// start or another set gives the same numbers to other processes.
pub fn host() -> String {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_string());
    let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let name = read("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok()).unwrap_or_else(|| "host".to_string());
    let start: String = letters(&read("/proc/sys/kernel/random/boot_id").unwrap_or_default()).chars().take(8).collect();
    let numbers = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    let numbers: String = numbers.chars().filter(char::is_ascii_digit).collect();
    format!("{}-{start}-{numbers}", letters(&name))
}

/// The owner of a claim.
pub fn owner(claim: &Path) -> String {
    let name = claim.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.rsplit_once('@').map_or(String::new(), |(_, owner)| owner.to_string())
}
