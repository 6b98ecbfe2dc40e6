//! Responses and errors in the shapes of AWS JSON 1.0.
//!
//! An error has two names: `__type` in the body, and the older query protocol's code in
//! `x-amzn-query-error`, which SDKs prefer. Source: Smithy, "AWS Query Compatible".

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::support::queue_core::QueueError;

/// An error response: status, `__type`, query code, text.
#[derive(Debug)]
pub struct ErrorResponse {
    status: StatusCode,
    shape: &'static str,
    code: &'static str,
    sender: bool,
    text: String,
}

impl From<QueueError> for ErrorResponse {
    fn from(error: QueueError) -> Self {
        let sender = error.sender_fault();
        let status =
            if sender { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
        let text = error.to_string();
        Self { status, shape: error.shape(), code: error.code(), sender, text }
    }
}

pub fn unavailable() -> ErrorResponse {
    ErrorResponse {
        status: StatusCode::SERVICE_UNAVAILABLE,
        shape: "ServiceUnavailable",
        code: "ServiceUnavailable",
        sender: false,
        text: "Service is unable to handle request (scripted fault).".to_owned(),
    }
}

pub fn throttled() -> ErrorResponse {
    ErrorResponse {
        status: StatusCode::BAD_REQUEST,
        shape: "RequestThrottled",
        code: "RequestThrottled",
        sender: true,
        text: "Request is throttled (scripted fault).".to_owned(),
    }
}

pub fn denied(action: &str) -> ErrorResponse {
    ErrorResponse {
        status: StatusCode::FORBIDDEN,
        shape: "AccessDeniedException",
        code: "AccessDenied",
        sender: true,
        text: format!("User is not authorized to perform: sqs:{action} (scripted fault)."),
    }
}

pub fn unknown_operation(error: &str) -> ErrorResponse {
    ErrorResponse {
        status: StatusCode::BAD_REQUEST,
        shape: "UnknownOperationException",
        code: "InvalidAction",
        sender: true,
        text: format!("The SQS stand-in does not implement this call: {error}"),
    }
}

pub fn malformed(error: &serde_json::Error) -> ErrorResponse {
    ErrorResponse {
        status: StatusCode::BAD_REQUEST,
        shape: "SerializationException",
        code: "MalformedInput",
        sender: true,
        text: error.to_string(),
    }
}

pub fn missing(parameter: &str) -> ErrorResponse {
    ErrorResponse {
        status: StatusCode::BAD_REQUEST,
        shape: "MissingRequiredParameterException",
        code: "MissingParameter",
        sender: true,
        text: format!("The request must contain the parameter {parameter}."),
    }
}

/// One entry of `Failed` in the response to a batch.
pub fn failed_entry(id: &str, error: &QueueError) -> Value {
    json!({
        "Id": id,
        "Code": error.code(),
        "SenderFault": error.sender_fault(),
        "Message": error.to_string(),
    })
}

pub fn error(error: &ErrorResponse) -> Response {
    let body = json!({
        "__type": format!("com.amazonaws.sqs#{}", error.shape),
        "message": error.text,
    });
    let fault = if error.sender { "Sender" } else { "Receiver" };
    respond(error.status, Some(format!("{};{fault}", error.code)), &body)
}

pub fn respond(status: StatusCode, query_error: Option<String>, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    let id = format!("standin-{:016x}", fastrand::u64(..));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(Ok(value)) = query_error.map(|text| HeaderValue::from_str(&text)) {
        headers.insert("x-amzn-query-error", value);
    }
    response
}

/// `MD5OfBody` and `MD5OfMessageBody`: SDKs may check them.
pub fn md5_of(body: &str) -> String {
    HEXLOWER.encode(&Md5::digest(body.as_bytes()))
}
