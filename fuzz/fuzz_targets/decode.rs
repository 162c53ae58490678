#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = wtsp_load::law::Seed(data.len() as u64).stream("a", 0);
});
