package registry

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// Answer is what a Fault does with a request.
type Answer = func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Error answers with a status and an error of the distribution API.
func Error(status int, code string) Answer {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"injected\nfault"}]}`, code)
	}
}

// TooMany answers 429 and asks to wait.
func TooMany(wait time.Duration) Answer {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		Error(http.StatusTooManyRequests, "TOOMANYREQUESTS")(w, r, next)
	}
}

// Cut sends half of the true answer and drops the connection.
func Cut(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := capture(r, next)
	body := rec.Body.Bytes()
	copyHeader(w, rec)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body[:len(body)/2])
	http.NewResponseController(w).Flush() //nolint:errcheck // the connection is dropped next
	panic(http.ErrAbortHandler)
}

// Flip changes one byte in the middle of the true answer.
func Flip(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := capture(r, next)
	body := bytes.Clone(rec.Body.Bytes())
	if len(body) > 0 {
		body[len(body)/2] ^= 1
	}
	copyHeader(w, rec)
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

// Endless answers with a body that does not end before the client leaves.
func Endless(status int, contentType, begin string) Answer {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(begin))
		chunk := bytes.Repeat([]byte(" "), 1<<16)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
}

// Redirect sends the client to the same path at another host.
func Redirect(base string) Answer {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, base+r.URL.Path, http.StatusTemporaryRedirect)
	}
}

// Slow passes the true answer on, a few bytes at a time.
func Slow(pause time.Duration, chunk int) Answer {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := capture(r, next)
		copyHeader(w, rec)
		w.WriteHeader(rec.Code)
		for body := rec.Body.Bytes(); len(body) > 0 && r.Context().Err() == nil; {
			n := min(chunk, len(body))
			if _, err := w.Write(body[:n]); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			body = body[n:]
			time.Sleep(pause)
		}
	}
}

// capture runs the request against the registry behind. It asks for whole bodies.
func capture(r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	q := r.Clone(r.Context())
	q.Header.Del("Authorization")
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, q)
	return rec
}

func copyHeader(w http.ResponseWriter, rec *httptest.ResponseRecorder) {
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
}
