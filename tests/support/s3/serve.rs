//! The accept loop: one task per connection, all of which end with the stand-in.

use std::convert::Infallible;

use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Serves connections until it is dropped.
pub async fn accept(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of file descriptors, or the peer disconnected: the next one may work.
                Err(_) => continue,
            },
            Some(_) = connections.join_next() => continue,
        };
        // Small responses: Nagle's algorithm would add 40 ms to each.
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        let respond = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let service = service.clone();
            async move { Ok::<_, Infallible>(call(&service, request).await) }
        });
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            // An error here is a disconnected client, or a scripted fault of a body.
            let _ = connection.serve_connection(TokioIo::new(stream), respond).await;
        });
    }
}

async fn call(
    service: &S3Service,
    request: hyper::Request<hyper::body::Incoming>,
) -> hyper::Response<s3s::Body> {
    let mut response = match service.call(request.map(s3s::Body::from)).await {
        Ok(response) => response,
        Err(_) => {
            let mut response = hyper::Response::new(s3s::Body::empty());
            *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    };
    let id = format!("STANDIN{:016X}", fastrand::u64(..));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-amz-request-id", id);
    }
    response
}
