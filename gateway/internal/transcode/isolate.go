package transcode

import (
	"bytes"
	"net/http"
	"net/url"

	"google.golang.org/protobuf/proto"
)

// isolate returns a request of nothing but what was checked. grpc-gateway turns some headers, the host and the peer's address
// into metadata or deadlines without being asked, so they are not there.
func isolate(r *http.Request, authorization []string, values url.Values, body []byte, message proto.Message) *http.Request {
	out := r.WithContext(r.Context())
	out.Header = http.Header{}
	if len(authorization) > 0 {
		out.Header["Authorization"] = authorization
	}
	out.Host, out.RemoteAddr = "", ""
	location := *r.URL
	location.RawQuery = values.Encode()
	out.URL = &location
	out.Form, out.PostForm = nil, nil
	out.Body = &parsedBody{Reader: bytes.NewReader(body), message: message}
	out.ContentLength = int64(len(body))
	return out
}
