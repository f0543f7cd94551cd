//! numpy's files: what numpy wrote (`tests/fixtures/numpy`), and archives that mislead.

use std::io::Write;
use std::path::{Path, PathBuf};

use compress_io::{Checkpoint, Dtype, Format, Plan, Source, TensorInfo};
use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::made;

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/numpy");
    folder.join(name)
}

/// The bytes of `values`, whole numbers from 0 to 5, in a type.
fn counted(dtype: Dtype) -> Vec<u8> {
    let wide = |i: u8, bytes: usize| {
        let mut all = vec![0; bytes];
        all[0] = i;
        all
    };
    let one = |i: u8| match dtype {
        Dtype::Bool => vec![u8::from(i != 0)],
        Dtype::F16 => half::f16::from_f32(i.into()).to_le_bytes().to_vec(),
        Dtype::F32 => f32::from(i).to_le_bytes().to_vec(),
        Dtype::F64 => f64::from(i).to_le_bytes().to_vec(),
        Dtype::C64 => [f32::from(i), 0.0 - f32::from(i)]
            .map(f32::to_le_bytes)
            .concat(),
        Dtype::C128 => [f64::from(i), 0.0 - f64::from(i)]
            .map(f64::to_le_bytes)
            .concat(),
        _ => wide(i, dtype.bytes(1).unwrap() as usize),
    };
    (0..6).flat_map(one).collect()
}

#[test]
fn what_numpy_writes_is_read() {
    let types = [
        ("b1", Dtype::Bool),
        ("u1", Dtype::U8),
        ("i1", Dtype::I8),
        ("u2", Dtype::U16),
        ("i2", Dtype::I16),
        ("u4", Dtype::U32),
        ("i4", Dtype::I32),
        ("u8", Dtype::U64),
        ("i8", Dtype::I64),
        ("f2", Dtype::F16),
        ("f4", Dtype::F32),
        ("f8", Dtype::F64),
        ("c8", Dtype::C64),
        ("c16", Dtype::C128),
    ];
    for name in ["stored.npz", "deflated.npz"] {
        let read = Checkpoint::open(fixture(name)).unwrap();
        assert_eq!(read.tensors().len(), 2 * types.len() + 4);
        let tensor = |name: &str| {
            let index = read.position(name).unwrap();
            (
                read.tensors()[index].clone(),
                read.bytes(index).unwrap().into_owned(),
            )
        };
        for (spelled, dtype) in types {
            for order in ["little", "big"] {
                let (info, bytes) = tensor(&format!("{order}{spelled}"));
                assert_eq!(
                    (info.dtype, info.shape.as_slice()),
                    (dtype, [2, 3].as_slice())
                );
                assert_eq!(bytes, counted(dtype), "{name}: {order}{spelled}");
            }
        }
        let (info, bytes) = tensor("fortran/cube");
        assert_eq!(info.shape, [2, 3, 4]);
        let expected: Vec<u8> = (0..24_i32).flat_map(i32::to_le_bytes).collect();
        assert_eq!(bytes, expected);
        assert_eq!(
            tensor("scalar"),
            (
                TensorInfo::new("scalar", Dtype::F32, []),
                2.5_f32.to_le_bytes().to_vec()
            )
        );
        assert_eq!(tensor("empty").0.shape, [0, 3]);
        assert_eq!(tensor("vector").1, counted(Dtype::F32)[..12]);
    }
    for version in 1..=3 {
        let name = format!("version{version}");
        let read = Checkpoint::open(fixture(&format!("{name}.npy"))).unwrap();
        assert_eq!(read.tensors(), [TensorInfo::new(name, Dtype::F32, [2, 3])]);
        assert_eq!(*read.bytes(0).unwrap(), counted(Dtype::F32));
    }
}

#[test]
fn our_array_is_numpys_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    let plan = Plan {
        tensors: vec![TensorInfo::new("a", Dtype::F32, [2, 3])],
        metadata: vec![],
    };
    let mut file = Format::by_ending(&path)
        .unwrap()
        .create(&path, &plan)
        .unwrap();
    file.write(&counted(Dtype::F32)).unwrap();
    file.finish().unwrap();
    let theirs = std::fs::read(fixture("version1.npy")).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), theirs);
}

#[test]
fn what_is_no_array_of_numbers_is_refused() {
    for (name, said) in [
        ("pair.npy", "V2 is bf16 or any other pair"),
        ("objects.npy", "Python objects are pickled"),
        ("fields.npy", "types of several fields"),
    ] {
        let error = Checkpoint::open(fixture(name)).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains(name), "{error}");
    }
}

#[test]
fn archives_are_the_same_each_time_and_refuse_what_numpy_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let format = Format::by_name("npz").unwrap();
    let write = |name: &str| {
        let path = dir.path().join(name);
        made::write(format, &path, &made::plan(format, "a")).unwrap();
        std::fs::read(path).unwrap()
    };
    assert_eq!(write("a.npz"), write("b.npz"));
    let refused = |name: &str, tensors: &[TensorInfo]| {
        let plan = Plan {
            tensors: tensors.to_vec(),
            metadata: vec![],
        };
        let path = dir.path().join(name);
        let created = Format::by_ending(&path).unwrap().create(&path, &plan);
        created.err().unwrap().to_string()
    };
    let bf16 = TensorInfo::new("layers.7", Dtype::BF16, [2]);
    for name in ["c.npz", "c.npy"] {
        let error = refused(name, std::slice::from_ref(&bf16));
        assert!(error.contains("type of layers.7 is bf16"), "{error}");
    }
    let plain = TensorInfo::new("w", Dtype::F32, [2]);
    assert!(refused("c.npz", &[plain.clone(), plain.clone()]).contains("\"w\""));
    assert!(refused("c.npy", &[plain.clone(), plain]).contains("npz has several"));
}

/// A member as an archive written by hand has it.
struct Member<'a> {
    name: &'a str,
    method: u16,
    claimed: u32,
    crc: u32,
    bytes: Vec<u8>,
}

/// An archive by its description.
fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for member in members {
        let mut fields = 20_u16.to_le_bytes().to_vec();
        fields.extend([0; 2]);
        fields.extend(member.method.to_le_bytes());
        fields.extend([0, 0, 0x21, 0]);
        fields.extend(member.crc.to_le_bytes());
        fields.extend((member.bytes.len() as u32).to_le_bytes());
        fields.extend(member.claimed.to_le_bytes());
        fields.extend((member.name.len() as u16).to_le_bytes());
        fields.extend([0; 2]);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend((file.len() as u32).to_le_bytes());
        directory.extend(member.name.as_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&fields);
        file.extend(member.name.as_bytes());
        file.extend(&member.bytes);
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([members.len() as u16; 2].map(u16::to_le_bytes).concat());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

/// An array of bytes, `zeros` of them.
fn array(zeros: usize) -> Vec<u8> {
    let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({zeros},), }}\n");
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((text.len() as u16).to_le_bytes());
    array.extend(text.as_bytes());
    array.resize(array.len() + zeros, 0);
    array
}

fn stored(name: &str) -> Member<'_> {
    let bytes = array(3);
    Member {
        name,
        method: 0,
        claimed: bytes.len() as u32,
        crc: crc32fast::hash(&bytes),
        bytes,
    }
}

fn deflated(name: &str, zeros: usize) -> Member<'_> {
    let bytes = array(zeros);
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    deflated.write_all(&bytes).unwrap();
    Member {
        name,
        method: 8,
        claimed: bytes.len() as u32,
        crc: crc32fast::hash(&bytes),
        bytes: deflated.finish().unwrap(),
    }
}

/// Opens an archive and reads all of it.
fn read(members: &[Member<'_>]) -> Result<usize, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.npz");
    std::fs::write(&path, archive(members)).unwrap();
    let read = Checkpoint::open(&path).map_err(|e| e.to_string())?;
    let all = (0..read.tensors().len()).map(|index| read.bytes(index).map(|bytes| bytes.len()));
    all.sum::<Result<_, _>>().map_err(|e| e.to_string())
}

#[test]
fn archives_that_mislead_are_refused() {
    assert_eq!(read(&[stored("a.npy"), deflated("b.npy", 1000)]), Ok(1003));
    let refused = |members: &[Member<'_>], said: &str| {
        let error = read(members).unwrap_err();
        assert!(error.contains(said), "{error}");
    };
    refused(&[stored("a.npy"), stored("a.npy")], "there twice");
    refused(&[stored("a.txt")], "name of member a.txt");
    let changed = |change: &dyn Fn(&mut Member<'_>)| {
        let mut member = deflated("b.npy", 1000);
        change(&mut member);
        [member]
    };
    refused(&changed(&|m| m.crc ^= 1), "checksum of member b");
    refused(&changed(&|m| m.method = 12), "compression of member b.npy");
    refused(&changed(&|m| m.claimed -= 1), "array b is");
    // The size of the array and of the member agree, and both are wrong.
    let lying = |claims: usize, has: usize| {
        let text = |zeros: usize| format!("({zeros},)");
        let bytes = String::from_utf8_lossy(&array(has)[10..]).replace(&text(has), &text(claims));
        let mut bytes = [&array(has)[..10], bytes.as_bytes()].concat();
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(&bytes).unwrap();
        bytes.resize(bytes.len() + claims - has.min(claims), 0);
        [Member {
            name: "b.npy",
            method: 8,
            claimed: (array(claims).len()) as u32,
            crc: crc32fast::hash(&bytes),
            bytes: deflated.finish().unwrap(),
        }]
    };
    refused(&lying(900, 100), "what it inflates to");
    refused(&lying(100, 900), "what it inflates to, which is more");
    // A bomb: 80 MB of zeros in 80 kB.
    let bomb = [deflated("b.npy", 80 << 20)];
    let claimed = bomb[0].claimed.to_string();
    refused(&bomb, &format!("claimed size of member b.npy is {claimed}"));
}

#[test]
fn a_changed_byte_never_changes_a_value_unseen() {
    let whole = archive(&[stored("a.npy"), deflated("b.npy", 100)]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.npz");
    for at in 0..whole.len() {
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(Checkpoint::open(&path).is_err(), "cut at {at}");
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        let Ok(read) = Checkpoint::open(&path) else {
            continue;
        };
        for index in 0..read.tensors().len() {
            let is_right = read
                .bytes(index)
                .map_or(true, |bytes| bytes.iter().all(|b| *b == 0));
            assert!(is_right, "byte {at}");
        }
    }
}
