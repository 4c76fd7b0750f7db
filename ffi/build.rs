//! Gives the shared library its name for the dynamic linker.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The major number is that of the ABI: it moves only when something is removed.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmqtt.so.0");
}
