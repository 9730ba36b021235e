use super::*;

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn writes_and_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    for text in ["long first text", "second"] {
        write_whole(&path, |w| w.write_all(text.as_bytes())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[test]
fn a_failing_writer_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    fs::write(&old, "kept").unwrap();
    for path in [&old, &new] {
        let error = write_whole(path, |w| {
            w.write_all(&[b'x'; 1 << 17])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        let message = error.to_string();
        assert!(message.contains(path.to_str().unwrap()) && message.contains("free some space"), "{message}");
        assert_eq!(error.exit_code(), 1);
    }
    assert_eq!(names(folder.path()), ["old"]);
    assert_eq!(fs::read_to_string(&old).unwrap(), "kept");
}

#[test]
fn a_missing_folder_and_a_folder_as_target_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none/a.txt");
    let message = write_whole(&missing, |_| Ok(())).unwrap_err().to_string();
    assert!(message.contains("none") && message.contains("check the path"), "{message}");
    assert!(write_whole(folder.path(), |_| Ok(())).is_err());
}

#[cfg(unix)]
#[test]
fn who_has_the_old_file_open_reads_it_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "old").unwrap();
    let reader = File::open(&path).unwrap();
    write_whole(&path, |w| w.write_all(b"new")).unwrap();
    assert_eq!(io::read_to_string(reader).unwrap(), "old");
}

#[cfg(unix)]
#[test]
fn a_new_file_has_the_usual_permissions_and_a_link_stays_a_link() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, usual, link) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("link"));
    write_whole(&path, |w| w.write_all(b"x")).unwrap();
    fs::write(&usual, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&usual));

    std::os::unix::fs::symlink(&path, &link).unwrap();
    write_whole(&link, |w| w.write_all(b"y")).unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&path).unwrap(), "y");
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_permissions_and_its_owner() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    for mode in [0o600, 0o664, 0o400] {
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        // only root may do so
        let given = chown(&path, Some(12), Some(34)).is_ok();
        write_whole(&path, |w| w.write_all(b"new")).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.mode() & 0o777, mode);
        assert!(!given || (found.uid(), found.gid()) == (12, 34), "the owner is {}", found.uid());
        fs::remove_file(&path).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_is_killed_while_writing_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    if unnamed::create(folder.path()).is_none() {
        return eprintln!("this file system has no files without a name");
    }
    let path = folder.path().join("a");
    for before in [vec![], vec!["a".to_string()]] {
        write_whole(&path, |w| {
            w.write_all(&[b'x'; 1 << 17])?;
            assert_eq!(names(folder.path()), before);
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 17);
    }
    assert_eq!(names(folder.path()), ["a"]);
}

#[test]
fn a_file_with_a_temporary_name_is_published_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    for text in ["first", "second"] {
        let file = temporary(false).tempfile_in(folder.path()).unwrap();
        file.as_file().write_all(text.as_bytes()).unwrap();
        Draft::Named(file).publish(folder.path(), &path).unwrap();
        assert_eq!((names(folder.path()), fs::read_to_string(&path).unwrap()), (vec!["a".into()], text.into()));
    }
}

#[test]
fn an_error_of_the_content_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let made = |_: &mut FileWriter| Err(Error::usage("no such row", "choose another").into());
    let message = write_made(&folder.path().join("a"), made).unwrap_err().to_string();
    assert!(message.starts_with("no such row"), "{message}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn one_file_is_the_same_by_any_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, hard] = ["a", "b", "hard"].map(|name| folder.path().join(name));
    fs::write(&a, "").unwrap();
    fs::write(&b, "").unwrap();
    let spelled = folder.path().join(".").join("a");
    assert!(is_same(&a, &a) && is_same(&a, &spelled) && !is_same(&a, &b));
    assert!(!is_same(&a, &hard) && !is_same(&hard, &hard), "no such file");
    #[cfg(unix)]
    {
        fs::hard_link(&a, &hard).unwrap();
        assert!(is_same(&a, &hard) && is_same(&hard, &a));
        fs::remove_file(&hard).unwrap();
        std::os::unix::fs::symlink(&a, &hard).unwrap();
        assert!(is_same(&a, &hard) && is_same(&hard, &a));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_written_to_and_a_full_one_is_an_error() {
    let full = Path::new("/dev/full");
    let error = write_whole(full, |w| w.write_all(b"x")).unwrap_err();
    assert!(error.to_string().contains("/dev/full: cannot write"), "{error}");
    write_whole(Path::new("/dev/null"), |w| w.write_all(b"x")).unwrap();
    for device in [full, Path::new("/dev/null")] {
        assert!(!fs::metadata(device).unwrap().is_file(), "{} is no longer a device", device.display());
    }
}
