// Package main runs Argo's own substitution over rendered templates, and then the kubelet's own expansion of variables.
//
// It reads JSON documents from standard input and answers each with one on standard output; see Request and Container. The
// controller's code for these passes is not exported, so the order of the calls is repeated here, in walk and pod; every
// call is Argo's own.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	apiv1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v4/util/logging"
	"github.com/argoproj/argo-workflows/v4/util/template"
	"github.com/argoproj/argo-workflows/v4/workflow/common"
	"github.com/argoproj/argo-workflows/v4/workflow/templateresolution"
	"github.com/argoproj/argo-workflows/v4/workflow/validate"
)

// Request is what a run starts with.
type Request struct {
	// Templates are the WorkflowTemplates of the namespace; without any, those of the last request that had some.
	Templates []wfv1.WorkflowTemplate `json:"templates"`
	// Template is the one that the Workflow refers to, and Entrypoint its template to start with, or its own.
	Template   string `json:"template"`
	Entrypoint string `json:"entrypoint"`
	// Parameters are what a person typed into the form.
	Parameters map[string]string `json:"parameters"`
	// ConfigMaps are those that parameters take their values from: name to key to value.
	ConfigMaps map[string]map[string]string `json:"configMaps"`
	// Failures are the failed nodes, as JSON, and Status how the Workflow ended: set, the exit hook runs in place of the
	// entrypoint.
	Failures []FailedNode `json:"failures"`
	Status   string       `json:"status"`
	// Results are what is known of the earlier tasks of every DAG, such as "upload.exitCode". Each has ended.
	Results map[string]string `json:"results"`
	// Environment is what the kubelet adds from Secrets and ConfigMaps.
	Environment map[string]string `json:"environment"`
	// Validate asks only whether Argo would accept the templates.
	Validate bool `json:"validate"`
}

// FailedNode is operator.go's failedNodeStatus.
type FailedNode struct {
	DisplayName  string      `json:"displayName"`
	Message      string      `json:"message"`
	TemplateName string      `json:"templateName"`
	Phase        string      `json:"phase"`
	PodName      string      `json:"podName"`
	FinishedAt   metav1.Time `json:"finishedAt"`
}

// Container is what one container gets.
type Container struct {
	Template string            `json:"template"`
	When     []string          `json:"when"`
	Command  []string          `json:"command"`
	Args     []string          `json:"args"`
	Env      map[string]string `json:"env"`
	// Pod is the whole pod before the kubelet expands anything, as text to search.
	Pod string `json:"pod"`
}

// Response is the containers that a run makes, or the reason why it makes none.
type Response struct {
	Containers []Container `json:"containers"`
	Error      string      `json:"error"`
}

type run struct {
	request   Request
	templates map[string]*wfv1.WorkflowTemplate
	global    common.Parameters
	found     []Container
}

func (r *run) Get(_ context.Context, name string) (*wfv1.WorkflowTemplate, error) {
	if found, ok := r.templates[name]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("workflowtemplates %q not found", name)
}

func main() {
	// The controller's logger goes into the context; its output is not wanted here.
	ctx := logging.WithLogger(context.Background(), logging.NewSlogLogger(logging.Error, logging.Text))
	requests, responses := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var templates []wfv1.WorkflowTemplate
	for {
		var r run
		if err := requests.Decode(&r.request); err == io.EOF {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if r.request.Templates != nil {
			templates = r.request.Templates
		}
		r.request.Templates = make([]wfv1.WorkflowTemplate, len(templates))
		for i := range templates {
			templates[i].DeepCopyInto(&r.request.Templates[i])
		}
		response := Response{Containers: []Container{}}
		if err := r.do(ctx); err != nil {
			response.Error = err.Error()
		} else if r.found != nil {
			response.Containers = r.found
		}
		if err := responses.Encode(response); err != nil {
			os.Exit(1)
		}
	}
}

func (r *run) do(ctx context.Context) error {
	r.templates = map[string]*wfv1.WorkflowTemplate{}
	for i := range r.request.Templates {
		r.templates[r.request.Templates[i].Name] = &r.request.Templates[i]
	}
	if r.request.Validate {
		return r.validate(ctx)
	}
	own, err := r.Get(ctx, r.request.Template)
	if err != nil {
		return err
	}
	spec := own.Spec.DeepCopy()
	if r.request.Entrypoint != "" {
		spec.Entrypoint = r.request.Entrypoint
	}
	for _, name := range slices.Sorted(maps.Keys(r.request.Parameters)) {
		typed := wfv1.Parameter{Name: name, Value: wfv1.AnyStringPtr(r.request.Parameters[name])}
		at := slices.IndexFunc(spec.Arguments.Parameters, func(each wfv1.Parameter) bool { return each.Name == name })
		if at < 0 {
			spec.Arguments.Parameters = append(spec.Arguments.Parameters, typed)
		} else {
			spec.Arguments.Parameters[at] = typed
		}
	}
	if err := r.setGlobal(spec); err != nil {
		return err
	}
	// The whole spec without its templates, arguments included: operator.go, substituteGlobalVariables.
	if spec, err = substitute(ctx, spec, r.global); err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	if r.request.Status != "" {
		failures, err := json.Marshal(r.request.Failures)
		if err != nil {
			return err
		}
		r.global[common.GlobalVarWorkflowStatus] = r.request.Status
		r.global[common.GlobalVarWorkflowFailures] = strconv.Quote(string(failures))
		return r.walk(ctx, own, own.Spec.OnExit, wfv1.Arguments{}, nil)
	}
	return r.walk(ctx, own, spec.Entrypoint, spec.Arguments, nil)
}

// setGlobal is operator.go's setGlobalParameters, as far as our templates name its variables.
func (r *run) setGlobal(spec *wfv1.WorkflowSpec) error {
	r.global = common.Parameters{
		common.GlobalVarWorkflowName:      r.request.Template + "-x7k2p",
		common.GlobalVarWorkflowNamespace: "telecine",
		common.GlobalVarWorkflowUID:       "0d1e2f3a-0000-4000-8000-000000000000",
	}
	list, err := json.Marshal(spec.Arguments.Parameters)
	if err != nil {
		return err
	}
	r.global[common.GlobalVarWorkflowParameters] = string(list)
	r.global[common.GlobalVarWorkflowParametersJSON] = string(list)
	for _, each := range spec.Arguments.Parameters {
		key := "workflow.parameters." + each.Name
		switch {
		case each.Value != nil:
			r.global[key] = each.Value.String()
		case each.ValueFrom != nil && each.ValueFrom.ConfigMapKeyRef != nil:
			from := each.ValueFrom.ConfigMapKeyRef
			if value, ok := r.request.ConfigMaps[from.Name][from.Key]; ok {
				r.global[key] = value
			} else if each.ValueFrom.Default != nil {
				r.global[key] = each.ValueFrom.Default.String()
			} else {
				return fmt.Errorf("parameter %s has no value", each.Name)
			}
		default:
			return fmt.Errorf("parameter %s has no value", each.Name)
		}
	}
	return nil
}

func substitute(ctx context.Context, spec *wfv1.WorkflowSpec, global common.Parameters) (*wfv1.WorkflowSpec, error) {
	bare := spec.DeepCopy()
	bare.Templates = nil
	return replaced(bare, func(text string) (string, error) {
		return template.Replace(ctx, text, template.ToAnyMap(global), true)
	})
}

// walk executes a template as operator.go's executeTemplate does, and every template that it calls; `when` is reported
// and not obeyed, so that no branch is left out.
func (r *run) walk(ctx context.Context, own *wfv1.WorkflowTemplate, name string, args wfv1.Arguments, when []string) error {
	called := own.GetTemplateByName(name)
	if called == nil {
		return fmt.Errorf("template %s/%s does not exist", own.Name, name)
	}
	local := common.Parameters{"node.name": "node"}
	processed, err := common.ProcessArgs(ctx, called, &args, r.global, local, false, "telecine", nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if processed.RetryStrategy != nil {
		// Each attempt is substituted again, now with what is known of the one before.
		local["retries"], local["lastRetry.exitCode"], local["lastRetry.status"] = "1", "75", "Failed"
		local["lastRetry.duration"], local["lastRetry.message"] = "3", "Error (exit code 75)"
		if processed, err = common.SubstituteParams(ctx, processed, r.global, local); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if processed.Container != nil {
		return r.pod(ctx, processed, when)
	}
	scope := template.ToAnyMap(r.global)
	for _, each := range processed.Inputs.Parameters {
		scope["inputs.parameters."+each.Name] = each.GetValue()
	}
	strict := []string{"tasks", "steps"}
	if processed.DAG != nil {
		// dag.go, buildLocalScopeFromTask.
		for _, task := range processed.DAG.Tasks {
			scope["tasks."+task.Name+".status"] = string(wfv1.NodeSucceeded)
		}
		for name, value := range r.request.Results {
			scope["tasks."+name] = value
		}
		for _, task := range processed.DAG.Tasks {
			task, err := replaced(&task, func(text string) (string, error) {
				return template.ReplaceStrictAny(ctx, text, scope, strict)
			})
			if err == nil {
				err = r.call(ctx, own, task.Template, task.TemplateRef, task.Arguments, append(when, task.When))
			}
			if err != nil {
				return err
			}
		}
	}
	for _, group := range processed.Steps {
		for _, step := range group.Steps {
			step, err := replaced(&step, func(text string) (string, error) {
				return template.ReplaceStrictAny(ctx, text, scope, strict)
			})
			if err == nil {
				err = r.call(ctx, own, step.Template, step.TemplateRef, step.Arguments, append(when, step.When))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) call(ctx context.Context, own *wfv1.WorkflowTemplate, name string, ref *wfv1.TemplateRef, args wfv1.Arguments, when []string) error {
	if ref != nil {
		other, err := r.Get(ctx, ref.Name)
		if err != nil {
			return err
		}
		own, name = other, ref.Template
	}
	return r.walk(ctx, own, name, args, append([]string{}, when...))
}

// pod makes the pod of a container as workflowpod.go does, with its last substitution (substitutePodParams), and then
// starts the container as the kubelet does (makeEnvironmentVariables, ExpandContainerCommandAndArgs).
func (r *run) pod(ctx context.Context, tmpl *wfv1.Template, when []string) error {
	text, err := json.Marshal(tmpl)
	if err != nil {
		return err
	}
	container := *tmpl.Container.DeepCopy()
	first := apiv1.Container{Env: []apiv1.EnvVar{{Name: common.EnvVarTemplate, Value: string(text)}}}
	made := &apiv1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod"}}
	made.Spec.InitContainers, made.Spec.Containers = []apiv1.Container{first}, []apiv1.Container{container}
	params := template.ToAnyMap(r.global)
	for _, each := range tmpl.Inputs.Parameters {
		params["inputs.parameters."+each.Name] = each.GetValue()
	}
	params[common.LocalVarPodName] = made.Name
	made, err = replaced(made, func(text string) (string, error) { return template.Replace(ctx, text, params, true) })
	if err != nil {
		return fmt.Errorf("%s: pod: %w", tmpl.Name, err)
	}
	whole, err := json.Marshal(made)
	if err != nil {
		return err
	}
	container = made.Spec.Containers[0]
	found := Container{Template: tmpl.Name, When: when, Env: map[string]string{}, Pod: string(whole)}
	known := map[string]string{}
	for name, value := range r.request.Environment {
		known[name], found.Env[name] = value, value
	}
	lookup := expansion.MappingFuncFor(known)
	for _, each := range container.Env {
		value := expansion.Expand(each.Value, lookup)
		known[each.Name], found.Env[each.Name] = value, value
	}
	for _, word := range container.Command {
		found.Command = append(found.Command, expansion.Expand(word, lookup))
	}
	for _, word := range container.Args {
		found.Args = append(found.Args, expansion.Expand(word, lookup))
	}
	r.found = append(r.found, found)
	return nil
}

// validate does what the API server's admission and `argo lint` do.
func (r *run) validate(ctx context.Context) error {
	for _, each := range r.request.Templates {
		err := validate.ValidateWorkflowTemplate(ctx, r, templateresolution.WrapClusterWorkflowTemplateLister(nil), &each, nil, validate.ValidateOpts{Lint: true})
		if err != nil {
			return fmt.Errorf("%s: %w", each.Name, err)
		}
		ref := &wfv1.Workflow{ObjectMeta: metav1.ObjectMeta{GenerateName: each.Name + "-"}}
		ref.Spec.WorkflowTemplateRef = &wfv1.WorkflowTemplateRef{Name: each.Name}
		ref.Spec.Entrypoint = r.request.Entrypoint
		err = validate.ValidateWorkflow(ctx, r, templateresolution.WrapClusterWorkflowTemplateLister(nil), ref, nil, validate.ValidateOpts{Submit: true})
		if err != nil {
			return fmt.Errorf("a Workflow of %s: %w", each.Name, err)
		}
	}
	return nil
}

func replaced[T any](value *T, replace func(string) (string, error)) (*T, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	changed, err := replace(string(text))
	if err != nil {
		return nil, err
	}
	result := new(T)
	return result, json.Unmarshal([]byte(changed), result)
}
