//! Archives, and files that are several things at once.

use super::build::{ar, nested, packed, pdf, rar, rar_with, tar, uuencoded, zip, zip_packed, zip_with};
use super::rows::{Row, download};
use icapstan_testkit::{clean_bytes, deflate, eicar, gzip, marker, zstd};

const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

pub(super) fn rows() -> Vec<Row> {
    let bz2 = |data: &[u8]| packed("/usr/bin/bzip2", "bzip2", data);
    let xz = |data: &[u8]| packed("/usr/bin/xz", "xz-utils", data);
    let lzma = lzma_packed(&eicar());
    // The version, the length of the properties, these, and the stream without the length of its content.
    let lzma_in_zip = [&[9, 20, 5, 0], &lzma[..5], &lzma[13..]].concat();
    let behind = |front: &[u8], file: &[u8]| [front, file].concat();
    let mut rows = vec![
        download("zip", zip(&eicar())),
        download("zip in zip in zip", nested(&eicar(), 3)),
        download("zip, twenty deep", nested(&eicar(), 20)).not_scanned("depth"),
        download("zip, encrypted", zip_with("a.com", &clean_bytes(90, 1), 1)).not_scanned("encrypted"),
        download("zip with zeros behind it", [zip(&eicar()), vec![0; 5 << 20]].concat()),
        download("zip behind a picture", [GIF, &zip(&eicar())].concat()),
        download("zip labelled as a picture", zip(&eicar())).content_type("image/jpeg"),
        download("tar", tar(&eicar())),
        download("tar in gzip", gzip(&tar(&eicar()))),
        download("tar in bzip2", bz2(&tar(&eicar()))),
        download("bzip2", bz2(&eicar())),
        download("xz", xz(&eicar())),
        download("xz in zip in gzip", gzip(&zip(&xz(&eicar())))),
        download("zstd in zip", zip(&zstd(&eicar()))),
        download("zip with zstd", zip_packed("a.com", 93, &zstd(&eicar()), &eicar())),
        download("zip with zstd in zip", zip(&zip_packed("a.com", 93, &zstd(&eicar()), &eicar()))),
        download("zip with LZMA", zip_packed("a.com", 14, &lzma_in_zip, &eicar())),
        download("zip with a method that nobody has", zip_packed("a.com", 97, &eicar()[9..], &eicar()))
            .not_scanned("unsupported"),
        download("tar in zstd", zstd(&tar(&eicar()))),
        download("lz4", packed("/usr/bin/lz4", "lz4", &eicar())),
        download("lzma", lzma.clone()),
        download("bzip2 in two streams", [bz2(b"some text"), bz2(&marker())].concat()),
        download("rar", rar("a.com", &eicar())),
        download("rar in rar in zip", zip(&rar("b.rar", &rar("a.com", &eicar())))),
        download("rar in tar in gzip", gzip(&tar(&rar("a.com", &eicar())))),
        download("rar, twenty deep", (0..20).fold(eicar(), |inner, _| rar("a.rar", &inner)))
            .not_scanned("depth"),
        download("rar, encrypted", rar_with(&[("a.com", &clean_bytes(96, 1))], 4)).not_scanned("encrypted"),
        download(
            "rar that is damaged",
            [b"Rar!\x1a\x07\0\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0".as_slice(), &eicar()].concat(),
        )
        .not_scanned("malformed"),
        download("ar", ar(&eicar())),
        download("gzip in base64 in gzip", gzip(super::build::base64(&gzip(&eicar())).as_bytes()))
            .coding("gzip"),
        download("PDF with an attached file", pdf(&eicar())),
        download("encrypted by OpenSSL", [b"Salted__".as_slice(), &clean_bytes(90, 1)].concat())
            .not_scanned("encrypted"),
        download("zlib", deflate(&eicar())),
        download("zip with LZMA, with an odd name", zip_packed("a\t.com", 14, &lzma_in_zip, &eicar())),
        download("zip behind a tar file", behind(&tar(b"some text"), &zip(&eicar()))),
        download("zip behind LZMA", behind(&lzma_packed(b"some text"), &zip(&eicar()))),
        download("zip behind a rar file", behind(&rar("a.txt", b"some text"), &zip(&eicar()))),
    ];
    let stored = zip_with("a.com", &clean_bytes(90, 1), 1);
    let lzma = zip_packed("a.com", 14, &lzma_in_zip, &eicar());
    for (name, front) in
        [("picture", GIF), ("text", b"Some text.\n"), ("PDF", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n")]
    {
        let row = |what: &str, file: &[u8]| {
            download(Box::leak(format!("{what} behind a {name}").into_boxed_str()), behind(front, file))
        };
        rows.push(row("encrypted zip", &stored).not_scanned("encrypted"));
        rows.push(row("zip with LZMA", &lzma).not_scanned("unsupported"));
        rows.push(row("rar", &rar("a.com", &eicar())).not_scanned("unsupported"));
    }
    rows.push(
        download("uuencode behind a text", behind(b"Hello,\n\n", uuencoded(&eicar()).as_bytes()))
            .not_scanned("unsupported"),
    );
    rows.push(
        download("OpenPGP, packed only", behind(b"\xa3\x02", &deflate(&eicar()))).not_scanned("unsupported"),
    );
    rows.push(download("image of a FAT file system", fat(&gzip(&eicar()))).not_scanned("unsupported"));
    rows
}

/// A floppy disk: 32 sectors, one of them of the table; the rest is not looked at.
fn fat(content: &[u8]) -> Vec<u8> {
    let mut disk = b"\xeb\x3c\x90mkfs.fat\x00\x02\x01\x01\x00\x01\x10\x00\x20\x00\xf0\x01\x00".to_vec();
    disk.resize(512, 0);
    disk[510..].copy_from_slice(b"\x55\xaa");
    disk.extend_from_slice(b"\xf0\xff\xff");
    disk.resize(8192, 0);
    disk.extend_from_slice(content);
    disk.resize(32 * 512, 0);
    disk
}

fn lzma_packed(data: &[u8]) -> Vec<u8> {
    packed("/usr/bin/lzma", "xz-utils", data)
}
