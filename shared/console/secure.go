package console

import (
	"compress/gzip"
	"net/http"
	"strings"

	"hotsync/shared/hotsync"
)

// policy lets a page use what the console itself serves and nothing else: no
// inline script or style, no other host, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secured sets the headers every answer has, and refuses what another site lets
// a browser send.
func (c *console) secured(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store") // static files say otherwise
		if c.Staff.HTTPS(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		err := guard.Check(r)
		if err != nil {
			c.fail(
				w,
				r,
				member{},
				hotsync.Errorf(hotsync.CodeForbidden, "The request came from another site, so it was not carried out.").
					Because(err),
			)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// compressed answers with gzip where the client takes it.
func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept-Encoding")
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			next.ServeHTTP(w, r)
			return
		}
		z := &gzipWriter{ResponseWriter: w}
		defer z.close()
		next.ServeHTTP(z, r)
	})
}

// gzipWriter begins to compress with the first byte, so that an answer without
// a body stays without one.
type gzipWriter struct {
	http.ResponseWriter
	status int
	z      *gzip.Writer
}

func (w *gzipWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *gzipWriter) Write(p []byte) (int, error) {
	if w.z == nil {
		h := w.Header()
		if h.Get("Content-Type") == "" {
			h.Set("Content-Type", http.DetectContentType(p))
		}
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		w.ResponseWriter.WriteHeader(max(w.status, http.StatusOK))
		w.z = gzip.NewWriter(w.ResponseWriter)
	}
	return w.z.Write(p)
}

// FlushError sends what was written so far, as http.ResponseController asks.
func (w *gzipWriter) FlushError() error {
	if w.z != nil {
		err := w.z.Flush()
		if err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *gzipWriter) close() {
	if w.z == nil {
		if w.status != 0 {
			w.ResponseWriter.WriteHeader(w.status)
		}
		return
	}
	// A reader that went away is no concern of the answer.
	_ = w.z.Close()
}
