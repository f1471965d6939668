#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used)]
use icapstan_model::*;
use icapstan_scanner::*;
use std::sync::Arc;
use std::time::*;
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let source = SignatureSource::discover(args.get(1).filter(|a| *a != "-").map(Into::into));
    let worker =
        std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("icapstan-clamav-worker");
    let mut config = ScannerConfig::new(worker, source);
    config.nice = 0;
    let reg = prometheus::Registry::new();
    let t = Instant::now();
    let scanner = Scanner::start(config, &reg).await.unwrap();
    let mut e = scanner.epochs();
    let epoch = e.wait_for(|e| e.is_some()).await.unwrap().clone().unwrap();
    println!("loaded {} in {:?}", epoch.signatures.count, t.elapsed());
    let ctx = ScanContext {
        mode: Mode::Respmod,
        content_encoding: String::new(),
        content_type: String::new(),
        partial: false,
        profile: Arc::new(ScanProfile { timeout: Duration::from_secs(60), ..Default::default() }),
    };
    if let Some(dir) = args.get(2) {
        let mut stack = vec![std::path::PathBuf::from(dir)];
        let (mut n, mut bad) = (0, 0);
        while let Some(d) = stack.pop() {
            for entry in std::fs::read_dir(&d).into_iter().flatten().flatten() {
                let ft = entry.file_type().unwrap();
                if ft.is_dir() {
                    stack.push(entry.path());
                    continue;
                }
                if !ft.is_file() {
                    continue;
                }
                let Ok(bytes) = std::fs::read(entry.path()) else { continue };
                let o = Object { len: bytes.len() as u64, content: Content::Memory(bytes.into()) };
                let r = scanner
                    .scan(o, ctx.clone(), &epoch, Instant::now() + Duration::from_secs(60))
                    .await
                    .unwrap();
                n += 1;
                if !r.findings.is_clean() {
                    bad += 1;
                    println!("{} {:?}", entry.path().display(), r.findings);
                }
            }
        }
        println!("{n} files, {bad} not clean, {:?}", t.elapsed());
    }
    for (name, bytes) in [
        (
            "4 KB random",
            (0..1024u32).flat_map(|i| (i.wrapping_mul(2654435761)).to_le_bytes()).collect::<Vec<u8>>(),
        ),
        ("4 KB text", "some words of text, ".repeat(205).into_bytes()),
    ] {
        let bytes = bytes::Bytes::from(bytes);
        for clients in [1usize, 4] {
            let per = 3000 / clients;
            let t = Instant::now();
            let hs: Vec<_> = (0..clients)
                .map(|_| {
                    let (scanner, ctx, epoch, bytes) =
                        (scanner.clone(), ctx.clone(), epoch.clone(), bytes.clone());
                    tokio::spawn(async move {
                        let mut eng = Duration::ZERO;
                        let mut all = vec![];
                        for _ in 0..per {
                            let b = Instant::now();
                            let r = scanner
                                .scan(
                                    Object {
                                        len: bytes.len() as u64,
                                        content: Content::Memory(bytes.clone()),
                                    },
                                    ctx.clone(),
                                    &epoch,
                                    Instant::now() + Duration::from_secs(10),
                                )
                                .await
                                .unwrap();
                            assert!(r.findings.is_clean());
                            eng += r.engine;
                            all.push(b.elapsed());
                        }
                        (eng, all)
                    })
                })
                .collect();
            let (mut eng, mut all) = (Duration::ZERO, vec![]);
            for h in hs {
                let (e, a) = h.await.unwrap();
                eng += e;
                all.extend(a);
            }
            let el = t.elapsed();
            all.sort();
            let total: Duration = all.iter().sum();
            println!(
                "{name} x{clients}: {:.0}/s p50 {:?} p99 {:?} call(engine+ipc) {:?} outside call {:?}",
                all.len() as f64 / el.as_secs_f64(),
                all[all.len() / 2],
                all[all.len() * 99 / 100],
                eng / all.len() as u32,
                (total - eng) / all.len() as u32
            );
        }
    }
    let eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes();
    for _ in 0..5 {
        let me = std::process::id();
        let kids = |p: u32| -> Vec<u32> { std::fs::read_to_string(format!("/proc/{p}/task/{p}/children")).unwrap_or_default().split_whitespace().map(|x| x.parse().unwrap()).collect() };
        let mut z = vec![]; for t in std::fs::read_dir(format!("/proc/{me}/task")).unwrap().flatten() { z.extend(std::fs::read_to_string(t.path().join("children")).unwrap().split_whitespace().map(|x| x.parse::<u32>().unwrap())); }
        let ws: Vec<u32> = z.iter().flat_map(|z| kids(*z)).collect();
        let big = Object { len: 10 << 20, content: Content::Memory("words and words ".repeat(10 << 16).into()) };
        let hs: Vec<_> = (0..2).map(|_| { let (s, c, e, b) = (scanner.clone(), ctx.clone(), epoch.clone(), big.clone()); tokio::spawn(async move { s.scan(b, c, &e, Instant::now() + Duration::from_secs(60)).await.unwrap().findings }) }).collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let t = Instant::now();
        for w in &ws { rustix::process::kill_process(rustix::process::Pid::from_raw(*w as i32).unwrap(), rustix::process::Signal::KILL).unwrap(); }
        let r = scanner.scan(Object { len: 68, content: Content::Memory(eicar.clone().into()) }, ctx.clone(), &epoch, Instant::now() + Duration::from_secs(10)).await.unwrap();
        println!("all {} workers killed; next verdict after {:?}: {:?}", ws.len(), t.elapsed(), r.findings);
        for h in hs { println!("  {:?}", h.await.unwrap()); }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let m = reg.gather();
    for f in m {
        if f.name().contains("deaths") || f.name().contains("retries") {
            println!(
                "{} {:?}",
                f.name(),
                f.get_metric().iter().map(|m| m.get_counter().get_value()).collect::<Vec<_>>()
            );
        }
    }
    drop(epoch);
    scanner.shutdown().await;
}
