// Command promql-eval evaluates the alerts of a rule file, by Prometheus's own engine, over pages scraped at known times.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

const usage = "usage: promql-eval RULES.yaml PAGE@SECONDS..."

// The target's labels; what the page itself says wins over them (honor_labels), as the rules ask for.
var target = map[string]string{"job": "argo", "instance": "argo:9090"}

type sample struct {
	Labels labels.Labels `json:"labels"`
	Value  string        `json:"value"` // JSON has no NaN
}

type verdict struct {
	Alert   string   `json:"alert"`
	Expr    string   `json:"expr"`
	Error   *string  `json:"error"`
	Missing []string `json:"missing"`
	Result  []sample `json:"result"`
}

type page struct {
	path string
	at   int64 // milliseconds
}

// memory holds every series by the text of its labels.
type memory map[string]*promql.Series

func (m memory) scrape(p page) error {
	text, err := os.ReadFile(p.path)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	entries := textparse.NewPromParser(text, labels.NewSymbolTable(), false)
	for {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.path, err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, number := entries.Series()
		var exposed labels.Labels
		entries.Labels(&exposed)
		with := labels.NewBuilder(exposed)
		for name, text := range target {
			if !exposed.Has(name) {
				with.Set(name, text)
			}
		}
		set := with.Labels()
		key := set.String()
		if seen[key] {
			return fmt.Errorf("%s: twice on one page: %s", p.path, key)
		}
		seen[key] = true
		m.add(set, p.at, number)
	}
	// What has left the page ends here, and not one lookback later.
	for key, series := range m {
		if !seen[key] {
			m.add(series.Metric, p.at, math.Float64frombits(value.StaleNaN))
		}
	}
	return nil
}

func (m memory) add(set labels.Labels, at int64, number float64) {
	key := set.String()
	if m[key] == nil {
		m[key] = &promql.Series{Metric: set}
	}
	m[key].Floats = append(m[key].Floats, promql.FPoint{T: at, F: number})
}

func (m memory) names() map[string]bool {
	found := map[string]bool{}
	for _, series := range m {
		found[series.Metric.Get(labels.MetricName)] = true
	}
	return found
}

func (m memory) Querier(_, _ int64) (storage.Querier, error) { return m, nil }

func (m memory) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &seriesSet{at: -1}
	for _, series := range m {
		fits := func(each *labels.Matcher) bool { return each.Matches(series.Metric.Get(each.Name)) }
		if !slices.ContainsFunc(matchers, func(each *labels.Matcher) bool { return !fits(each) }) {
			found.series = append(found.series, *series)
		}
	}
	slices.SortFunc(found.series, func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) })
	return found
}

func (memory) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (memory) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (memory) Close() error { return nil }

type seriesSet struct {
	series []promql.Series
	at     int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() storage.Series                { return promql.NewStorageSeries(s.series[s.at]) }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

func evaluate(engine *promql.Engine, data memory, at time.Time, rule rulefmt.Rule, known map[string]bool) verdict {
	found := verdict{Alert: rule.Alert, Expr: rule.Expr, Missing: []string{}, Result: []sample{}}
	vector, err := query(engine, data, at, rule.Expr, func(name string) {
		if !known[name] && !slices.Contains(found.Missing, name) {
			found.Missing = append(found.Missing, name)
		}
	})
	if err != nil {
		text := err.Error()
		found.Error = &text
	}
	for _, each := range vector {
		found.Result = append(found.Result, sample{each.Metric, strconv.FormatFloat(each.F, 'g', -1, 64)})
	}
	return found
}

func query(engine *promql.Engine, data memory, at time.Time, text string, used func(string)) (promql.Vector, error) {
	asked, err := engine.NewInstantQuery(context.Background(), data, nil, text, at)
	if err != nil {
		return nil, err
	}
	defer asked.Close()
	parser.Inspect(asked.Statement(), func(node parser.Node, _ []parser.Node) error {
		if selector, is := node.(*parser.VectorSelector); is {
			for _, each := range selector.LabelMatchers {
				if each.Name == labels.MetricName && each.Type == labels.MatchEqual {
					used(each.Value)
				}
			}
		}
		return nil
	})
	answer := asked.Exec(context.Background())
	if answer.Err != nil {
		return nil, answer.Err
	}
	vector, err := answer.Vector()
	if err != nil {
		return nil, fmt.Errorf("an alert's expression must give a vector: %w", err)
	}
	// A query's vector is taken back by Close.
	return slices.Clone(vector), nil
}

func pages(arguments []string) ([]page, error) {
	var found []page
	for _, each := range arguments {
		cut := strings.LastIndex(each, "@")
		if cut < 0 {
			return nil, fmt.Errorf("%s: no time; %s", each, usage)
		}
		seconds, err := strconv.ParseFloat(each[cut+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", each, err)
		}
		found = append(found, page{each[:cut], int64(math.Round(seconds * 1000))})
	}
	slices.SortStableFunc(found, func(a, b page) int { return int(a.at - b.at) })
	for i := range found[1:] {
		if found[i].at == found[i+1].at {
			return nil, fmt.Errorf("%s and %s have one time", found[i].path, found[i+1].path)
		}
	}
	return found, nil
}

func run() error {
	if len(os.Args) < 3 {
		return errors.New(usage)
	}
	taken, err := pages(os.Args[2:])
	if err != nil {
		return err
	}
	grammar := parser.NewParser(parser.Options{})
	file, failures := rulefmt.ParseFile(os.Args[1], false, model.UTF8Validation, grammar, slog.New(slog.DiscardHandler))
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	data := memory{}
	for _, each := range taken {
		if err := data.scrape(each); err != nil {
			return err
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: grammar,
	})
	at, known, found := time.UnixMilli(taken[len(taken)-1].at), data.names(), []verdict{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if rule.Alert != "" {
				found = append(found, evaluate(engine, data, at, rule, known))
			}
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(found)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "promql-eval:", err)
		os.Exit(1)
	}
}
