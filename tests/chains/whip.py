"""What servers of WHIP (RFC 9725) have in common."""

from http.server import BaseHTTPRequestHandler


def send_answer(request: BaseHTTPRequestHandler, answer: bytes) -> None:
    """Answer the offer of a WHIP client with an SDP."""
    request.send_response(201)
    request.send_header("Content-Type", "application/sdp")
    request.send_header("Content-Length", str(len(answer)))
    request.send_header("Location", f"{request.path}/1")
    request.end_headers()
    request.wfile.write(answer)
