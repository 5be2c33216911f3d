//! Compiles `.proto` files to tonic services without a `protoc` on the machine.
//!
//! `etcd-client` always calls `tonic_prost_build` from its build script, and the real crate runs
//! `protoc`. The workspace patches that name to this crate: the same few builder methods, with
//! `protox` (a protobuf compiler written in Rust) in front and prost-build and tonic-build behind.
//! It holds nothing but what `etcd-client` and our own `build.rs` call.

use std::{io, path::Path, path::PathBuf};

use proc_macro2::TokenStream;
use tonic_build::{Attributes, CodeGenBuilder};

/// A builder that generates clients and servers.
pub fn configure() -> Builder {
    Builder { server: true, descriptor_set: None, config: prost_build::Config::new() }
}

/// What to generate, and where to.
pub struct Builder {
    server: bool,
    descriptor_set: Option<PathBuf>,
    config: prost_build::Config,
}

impl Builder {
    /// Whether server traits are generated beside the clients (default: yes).
    #[must_use]
    pub fn build_server(mut self, enable: bool) -> Self {
        self.server = enable;
        self
    }

    /// Also writes the compiled descriptors there, as server reflection wants them.
    #[must_use]
    pub fn file_descriptor_set_path(mut self, path: impl AsRef<Path>) -> Self {
        self.descriptor_set = Some(path.as_ref().to_path_buf());
        self
    }

    /// Represents `bytes` fields at these paths as `bytes::Bytes`.
    #[must_use]
    pub fn bytes(mut self, paths: impl AsRef<str>) -> Self {
        self.config.bytes([paths.as_ref()]);
        self
    }

    /// Compiles `protos`, whose imports are looked up in `includes`, into `OUT_DIR`.
    ///
    /// # Errors
    /// A syntax error or missing import in a `.proto` file, with its place; or a failed write.
    pub fn compile_protos(
        mut self,
        protos: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> io::Result<()> {
        let descriptors = protox::compile(protos, includes).map_err(io::Error::other)?;
        if let Some(path) = &self.descriptor_set {
            std::fs::write(path, encode(&descriptors))?;
        }
        self.config.service_generator(Box::new(Generator { server: self.server }));
        self.config.compile_fds(descriptors)
    }
}

fn encode(descriptors: &prost_types::FileDescriptorSet) -> Vec<u8> {
    use prost::Message;
    descriptors.encode_to_vec()
}

struct Generator {
    server: bool,
}

impl prost_build::ServiceGenerator for Generator {
    fn generate(&mut self, service: prost_build::Service, out: &mut String) {
        let methods = service.methods.iter().map(|method| Method(method.clone())).collect();
        let service = Service { service, methods };
        let mut builder = CodeGenBuilder::new();
        builder.emit_package(true).build_transport(true).attributes(Attributes::default());
        let mut code: TokenStream = builder.generate_client(&service, "super");
        if self.server {
            code.extend(builder.generate_server(&service, "super"));
        }
        let file = syn::parse2(code).expect("tonic-build generates valid Rust");
        out.push_str(&prettyplease::unparse(&file));
    }
}

struct Service {
    service: prost_build::Service,
    methods: Vec<Method>,
}

struct Method(prost_build::Method);

impl tonic_build::Service for Service {
    type Comment = String;
    type Method = Method;

    fn name(&self) -> &str {
        &self.service.name
    }
    fn package(&self) -> &str {
        &self.service.package
    }
    fn identifier(&self) -> &str {
        &self.service.proto_name
    }
    fn methods(&self) -> &[Method] {
        &self.methods
    }
    fn comment(&self) -> &[String] {
        &self.service.comments.leading
    }
}

impl tonic_build::Method for Method {
    type Comment = String;

    fn name(&self) -> &str {
        &self.0.name
    }
    fn identifier(&self) -> &str {
        &self.0.proto_name
    }
    fn codec_path(&self) -> &str {
        "tonic_prost::ProstCodec"
    }
    fn client_streaming(&self) -> bool {
        self.0.client_streaming
    }
    fn server_streaming(&self) -> bool {
        self.0.server_streaming
    }
    fn comment(&self) -> &[String] {
        &self.0.comments.leading
    }
    fn deprecated(&self) -> bool {
        self.0.options.deprecated.unwrap_or(false)
    }
    fn request_response_name(&self, parent: &str, _well_known: bool) -> (TokenStream, TokenStream) {
        (rust_path(parent, &self.0.input_type), rust_path(parent, &self.0.output_type))
    }
}

/// The Rust path of a message, as seen from the service's own module.
fn rust_path(parent: &str, message: &str) -> TokenStream {
    let path = match message {
        ".google.protobuf.Empty" => "()".to_owned(),
        absolute if absolute.starts_with("::") || absolute.starts_with("crate::") => absolute.to_owned(),
        relative => format!("{parent}::{}", relative.replace('.', "::").trim_start_matches("::")),
    };
    path.parse().expect("prost-build names types with valid paths")
}
