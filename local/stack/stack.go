// Package stack is the whole system on this computer: engines, sandboxes,
// identity provider, and the compiled functions wired as template.yaml says.
// hotsync up runs one on fixed ports; a test starts one of its own on free
// ones, several at a time.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/local/sandbox"
	"hotsync/local/sandbox/idp"
	"hotsync/local/sandbox/limiosandbox"
	"hotsync/local/sandbox/persona"
	"hotsync/local/sandbox/shop"
	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/stack/engines"
	"hotsync/local/stack/lambdahost"
	"hotsync/local/stack/template"
	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
	"hotsync/shared/settingstore"
)

// Ports are the loopback ports of the addresses; 0 is a free one.
type Ports struct{ HTTP, Invoke, Zuora, Limio, IDP, Shop int }

// FixedPorts are those of hotsync up; docs and personas rely on them.
var FixedPorts = Ports{HTTP: 8080, Invoke: 8081, Zuora: 8091, Limio: 8092, IDP: 8093, Shop: 8094}

// Options say how a stack is brought up. The zero value is one on free ports,
// with the settings of LocalSettings.
type Options struct {
	Ports   Ports
	Dir     string           // compiled functions and logs; a temporary one when empty
	Engines *engines.Engines // running engines to share; nil for its own
	// compiled functions by folder, as lambdahost.Build gives them; nil to compile
	Binaries   map[string]string
	Name       string                        // AWS::StackName: prefix of tables and queues; "hotsync" when empty
	Parameters map[string]string             // of the template, over the local ones
	Settings   func(*hotsync.Settings)       // changes LocalSettings before they are saved
	Personas   bool                          // fill the Zuora sandbox with the personas' accounts
	Bought     bool                          // fill the Limio sandbox with what personas bought there
	Logs       io.Writer                     // the functions' log lines; nil for the log files alone
	Progress   func(format string, a ...any) // what is being done, for a person who waits; nil for nobody
	Env        []string                      // further KEY=value pairs for every function
	Visibility time.Duration                 // of the messages of a crashed sync; two seconds when 0
	// changes what was read of the template before the functions start; nil for nothing
	Adjust func(*template.Template)
	Paused bool // functions do not consume their queues
}

// Stack is a running system.
type Stack struct {
	URL       string // HTTP API and console
	InvokeURL string // Lambda's invoke API
	ZuoraURL  string
	LimioURL  string
	IDPURL    string
	ShopURL   string
	Dir       string

	Zuora    *zuorasandbox.Server
	Limio    *limiosandbox.Sandbox
	IDP      *idp.Server
	Engines  *engines.Engines
	Template *template.Template
	Host     *lambdahost.Host
	Settings *settingstore.Store

	Binaries    map[string]string // compiled functions by folder
	Environment []string          // KEY=value pairs that every function gets beside the template's

	closers []func() error // in the order of starting
}

// The OAuth client of a stack's Limio sandbox, for whoever looks into it.
const LimioClientID, LimioClientSecret = "limio", "limio-secret"

// LimioCredentials are those, as a client of the product asks for them.
func LimioCredentials(context.Context, bool) (id, secret string, err error) {
	return LimioClientID, LimioClientSecret, nil
}

// Credentials of the sandboxes, which the functions get by the environment.
const (
	zuoraID, zuoraSecret = zuorasandbox.DefaultClientID, zuorasandbox.DefaultClientSecret
	limioID, limioSecret = LimioClientID, LimioClientSecret
)

// shopOrigin is where the shop of hotsync up is.
const shopOrigin = "http://127.0.0.1:8094"

// Start brings a stack up; Close ends it. root is the checkout.
func Start(ctx context.Context, root string, opt Options) (_ *Stack, err error) {
	if opt.Progress == nil {
		opt.Progress = func(string, ...any) {}
	}
	s := &Stack{Dir: opt.Dir, Engines: opt.Engines}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Dir == "" {
		s.Dir, err = os.MkdirTemp("", "hotsync-")
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, func() error { return os.RemoveAll(s.Dir) })
	}
	logs := filepath.Join(s.Dir, "logs")
	err = os.MkdirAll(logs, 0o755)
	if err != nil {
		return nil, err
	}

	binaries := opt.Binaries
	prepare, pctx := errgroup.WithContext(ctx)
	prepare.Go(func() (err error) {
		if binaries != nil {
			return nil
		}
		opt.Progress("compiling the functions")
		binaries, err = lambdahost.Build(pctx, root, filepath.Join(s.Dir, "functions"))
		return err
	})
	prepare.Go(func() (err error) {
		if s.Engines != nil {
			return nil
		}
		opt.Progress("starting DynamoDB (dynalite) and SQS (fauxqs)")
		// Not pctx: it ends with Wait, the engines must not.
		s.Engines, err = engines.Start(ctx, engines.Options{Dir: logs, Root: root})
		if err == nil {
			s.closers = append(s.closers, func() error { s.Engines.Stop(); return nil })
		}
		return err
	})
	err = prepare.Wait()
	if err != nil {
		return nil, err
	}
	err = s.startSandboxes(opt)
	if err != nil {
		return nil, err
	}
	err = s.createResources(ctx, root, opt)
	if err != nil {
		return nil, err
	}
	return s, s.startFunctions(opt, binaries, logs)
}

func (s *Stack) startSandboxes(opt Options) (err error) {
	s.Zuora = zuorasandbox.New(
		zuorasandbox.Config{ClientID: zuoraID, ClientSecret: zuoraSecret, Personas: opt.Personas},
	)
	s.ZuoraURL, err = s.serve(opt.Ports.Zuora, "Zuora sandbox", func(string) http.Handler { return s.Zuora })
	if err != nil {
		return err
	}
	s.Limio = limiosandbox.New(
		limiosandbox.Config{ClientID: limioID, ClientSecret: limioSecret, Catalogue: persona.Catalogue(),
			ReadZuora: limiosandbox.ZuoraOverHTTP(s.ZuoraURL, zuoraID, zuoraSecret)},
	)
	if opt.Bought {
		for _, p := range persona.All(time.Now()) {
			err = s.Limio.Seed(p.Limio)
			if err != nil {
				return err
			}
		}
	}
	s.LimioURL, err = s.serve(opt.Ports.Limio, "Limio sandbox", func(string) http.Handler { return s.Limio })
	if err != nil {
		return err
	}
	s.IDPURL, err = s.serve(opt.Ports.IDP, "identity provider", func(base string) http.Handler {
		s.IDP, err = idp.New(idp.Config{BaseURL: base})
		return s.IDP
	})
	if err != nil {
		return err
	}
	// The shop's address is a parameter of the HTTP API, whose address the shop's
	// page has: it is told once both are known.
	s.ShopURL, err = s.serve(opt.Ports.Shop, "shop", func(string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			shop.New(shop.Config{API: s.URL, Limio: s.LimioURL, Provider: s.IDPURL, ClientID: idp.ClientID}).
				ServeHTTP(w, r)
		})
	})
	return err
}

func (s *Stack) createResources(ctx context.Context, root string, opt Options) (err error) {
	parameters := map[string]string{
		"ZuoraBaseUrl":    s.ZuoraURL,
		"LimioBaseUrl":    s.LimioURL,
		"ZuoraSecretId":   "",
		"LimioSecretId":   "",
		"CalloutSecretId": "arn:aws:secretsmanager:us-east-1:000000000000:secret:callout-local0",
		"ConsoleIssuer":   s.IDPURL + "/" + idp.Staff,
		"ConsoleClientId": idp.ClientID,
		"AllowedOrigins":  shopOrigin + "," + s.ShopURL,
	}
	for name, value := range opt.Parameters {
		parameters[name] = value
	}
	s.Template, err = template.Load(filepath.Join(root, "template.yaml"),
		template.Options{StackName: opt.Name, Parameters: parameters, SQSEndpoint: s.Engines.SQSEndpoint})
	if err != nil {
		return err
	}
	opt.Progress("making tables and queues")
	err = s.Template.Create(ctx, s.Engines.DynamoDB(), s.Engines.SQS())
	if err != nil {
		return err
	}
	if opt.Adjust != nil {
		opt.Adjust(s.Template)
	}
	for _, t := range s.Template.Tables {
		if t.LogicalID == "SettingsTable" {
			s.Settings = settingstore.New(dynamo.Table{Client: s.Engines.DynamoDB(), Name: t.Name}, time.Now)
		}
	}
	settings := LocalSettings(s.IDPURL)
	if opt.Settings != nil {
		opt.Settings(&settings)
	}
	_, err = s.Settings.Save(ctx, settings, "hotsync up")
	return err
}

func (s *Stack) startFunctions(opt Options, binaries map[string]string, logs string) (err error) {
	if opt.Visibility == 0 {
		opt.Visibility = 2 * time.Second
	}
	env := append(s.Engines.Environment(),
		"ZUORA="+fmt.Sprintf(`{"clientId":%q,"clientSecret":%q}`, zuoraID, zuoraSecret),
		"LIMIO="+fmt.Sprintf(`{"clientId":%q,"clientSecret":%q}`, limioID, limioSecret),
		"SEARCH_KEY=local-search-key", "SESSION_KEY=local-session-key", `CALLOUT={"hmacKey":"local-callout-key"}`)
	// Functions call each other by the invoke API, whose address has to be known
	// before the host that answers there.
	s.InvokeURL, err = s.serve(opt.Ports.Invoke, "Lambda invoke API", func(string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Host.InvokeAPI().ServeHTTP(w, r) })
	})
	if err != nil {
		return err
	}
	env = append(env, "AWS_ENDPOINT_URL_LAMBDA="+s.InvokeURL)
	s.Binaries, s.Environment = binaries, append(env, opt.Env...)
	s.Host, err = lambdahost.New(lambdahost.Config{Template: s.Template, Binaries: binaries, Environment: s.Environment,
		SQS: s.Engines.SQS(), LogDir: logs, Tee: opt.Logs, Logger: slog.Default(), CrashVisibility: opt.Visibility})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return s.Host.Close(ctx)
	})
	s.URL, err = s.serve(opt.Ports.HTTP, "HTTP API", func(string) http.Handler { return s.Host.HTTPAPI() })
	if err != nil {
		return err
	}
	if !opt.Paused {
		s.Host.Start()
	}
	return nil
}

// serve starts an HTTP server on a loopback port. The handler is made once its
// address is known.
func (s *Stack) serve(port int, what string, handler func(base string) http.Handler) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return "", fmt.Errorf("%s: %w (is another hotsync running?)", what, err)
	}
	base := "http://" + l.Addr().String()
	server := &http.Server{Handler: handler(base), ReadHeaderTimeout: sandbox.HeaderTime}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	s.closers = append(s.closers, func() error {
		err := server.Close()
		<-done
		return err
	})
	return base, nil
}

// Close ends everything that Start began, the last first.
func (s *Stack) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}
