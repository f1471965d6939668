//! Archives, and files that are several things at once.

use super::build::{ar, nested, packed, pdf, tar, zip, zip_with};
use super::rows::{Row, download};
use icapstan_testkit::{clean_bytes, eicar, gzip, zstd};

const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

pub(super) fn rows() -> Vec<Row> {
    let bz2 = |data: &[u8]| packed("/usr/bin/bzip2", "bzip2", data);
    let xz = |data: &[u8]| packed("/usr/bin/xz", "xz-utils", data);
    vec![
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
        download("zstd in zip", zip(&zstd(&eicar()))).not_scanned("unsupported"),
        download("rar", [b"Rar!\x1a\x07\0\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0".as_slice(), &eicar()].concat())
            .not_scanned("unsupported"),
        download("ar", ar(&eicar())).not_scanned("unsupported"),
        download("gzip in base64 in gzip", gzip(super::build::base64(&gzip(&eicar())).as_bytes()))
            .coding("gzip"),
        download("PDF with an attached file", pdf(&eicar())),
        download("encrypted by OpenSSL", [b"Salted__".as_slice(), &clean_bytes(90, 1)].concat())
            .not_scanned("encrypted"),
    ]
}
