//! One listener for RESP, gRPC and HTTP; limits, metrics and the gRPC services that node and proxy share.

pub mod grpc;
