package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
)

//go:embed static
var staticFiles embed.FS

// asset is a static file with the part of its address that changes with it.
type asset struct {
	hash string
	body []byte
	kind string
}

// assets are the static files by name.
type assets map[string]asset

func loadAssets() assets {
	out := assets{}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		panic(err) // embedded
	}
	for _, e := range entries {
		body, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err) // embedded
		}
		sum := sha256.Sum256(body)
		kind := mime.TypeByExtension(path.Ext(e.Name()))
		if kind == "" {
			kind = "text/plain; charset=utf-8"
		}
		out[e.Name()] = asset{hex.EncodeToString(sum[:6]), body, kind}
	}
	return out
}

// url is the address of a file as it is now.
func (a assets) url(name string) string { return "/static/" + a[name].hash + "/" + name }

// ServeHTTP answers GET /static/{hash}/{name}. The hash names the content, so
// the answer may be kept for ever; a page of an older version asks for another.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a[r.PathValue("name")]
	if !ok || f.hash != r.PathValue("hash") {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	// Whoever went away does not need it.
	_, _ = w.Write(f.body)
}
