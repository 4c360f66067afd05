package manifests_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/switchboard-phone/switchboard/deploy/tools/manifests"
)

const partOf = "app.kubernetes.io/part-of"

// services are the workloads of ours.
var services = []string{"extension", "gateway", "license", "notification", "numbering"}

// workload is whatever makes pods.
type workload struct {
	manifests.Object
	template corev1.PodTemplateSpec
}

// ours says whether it is one of Switchboard's servers.
func (w workload) ours() bool {
	return w.Kind() == "Deployment" && w.template.Labels[partOf] == "switchboard"
}

func into[T any](t *testing.T, o manifests.Object) T {
	t.Helper()
	var out T
	require.NoError(t, o.Into(&out))
	return out
}

func of[T any](t *testing.T, objects []manifests.Object, kind string) map[string]T {
	t.Helper()
	out := map[string]T{}
	for _, o := range objects {
		if o.Kind() == kind {
			out[o.Name()] = into[T](t, o)
		}
	}
	return out
}

func workloads(t *testing.T, objects []manifests.Object) (out []workload) {
	t.Helper()
	for _, o := range objects {
		switch o.Kind() {
		case "Deployment":
			out = append(out, workload{o, into[appsv1.Deployment](t, o).Spec.Template})
		case "StatefulSet":
			out = append(out, workload{o, into[appsv1.StatefulSet](t, o).Spec.Template})
		case "Job":
			out = append(out, workload{o, into[batchv1.Job](t, o).Spec.Template})
		}
	}
	require.NotEmpty(t, out)
	return out
}

// eachOverlay runs fn on what can be applied to a cluster.
func eachOverlay(t *testing.T, fn func(t *testing.T, objects []manifests.Object)) {
	t.Helper()
	for _, dir := range overlays(t) {
		if !strings.Contains(dir, "overlays") {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			fn(t, build(t, dir))
		})
	}
}

func TestEveryPodIsConfined(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, objects []manifests.Object) {
		for _, w := range workloads(t, objects) {
			spec := w.template.Spec
			require.NotNil(t, spec.AutomountServiceAccountToken, w)
			require.False(t, *spec.AutomountServiceAccountToken, "%s: nobody here talks to the Kubernetes API", w)
			require.NotNil(t, spec.SecurityContext, w)
			require.True(t, *spec.SecurityContext.RunAsNonRoot, w)
			require.NotZero(t, *spec.SecurityContext.RunAsUser, w)
			require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, spec.SecurityContext.SeccompProfile.Type, w)
			require.False(t, spec.HostNetwork || spec.HostPID || spec.HostIPC, w)
			require.Empty(t, spec.InitContainers, w)
			for _, c := range spec.Containers {
				s := c.SecurityContext
				require.NotNil(t, s, w)
				require.True(t, *s.ReadOnlyRootFilesystem, w)
				require.False(t, *s.AllowPrivilegeEscalation, w)
				require.Equal(t, []corev1.Capability{"ALL"}, s.Capabilities.Drop, w)
				require.Empty(t, s.Capabilities.Add, w)
				require.False(t, c.Resources.Requests.Cpu().IsZero(), w)
				require.False(t, c.Resources.Requests.Memory().IsZero(), w)
				require.False(t, c.Resources.Limits.Memory().IsZero(), w)
				require.LessOrEqual(t, c.Resources.Requests.Memory().Value(), c.Resources.Limits.Memory().Value(), w)
			}
			for _, v := range spec.Volumes {
				require.Nil(t, v.HostPath, w)
			}
		}
	})
}

func TestEveryServerIsProbedSpreadAndProtected(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, objects []manifests.Object) {
		budgets := of[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget")
		policies := of[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy")
		var seen []string
		for _, w := range workloads(t, objects) {
			spec := w.template.Spec
			if w.Kind() != "Job" {
				for _, c := range spec.Containers {
					require.NotNil(t, c.LivenessProbe, w)
					require.NotNil(t, c.ReadinessProbe, w)
				}
			}
			if !w.ours() {
				continue
			}
			seen = append(seen, w.Name())
			c := spec.Containers[0]
			requireProbes(t, w.Name(), c)
			require.Equal(t, w.Name(), spec.ServiceAccountName, w)
			require.Contains(t, of[corev1.ServiceAccount](t, objects, "ServiceAccount"), w.Name())

			keys := map[string]bool{}
			for _, s := range spec.TopologySpreadConstraints {
				require.True(t, selects(t, s.LabelSelector, w.template.Labels), w)
				for _, k := range s.MatchLabelKeys {
					require.NotContains(t, s.LabelSelector.MatchLabels, k, "%s: the API refuses a key in both", w)
				}
				keys[s.TopologyKey] = true
			}
			require.Equal(t, map[string]bool{corev1.LabelHostname: true, corev1.LabelTopologyZone: true}, keys, w)

			d := into[appsv1.Deployment](t, w.Object)
			require.True(t, selects(t, d.Spec.Selector, w.template.Labels), w)
			require.Zero(t, d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntVal, w)
			policy, ok := policies[w.Name()]
			require.True(t, ok && selects(t, &policy.Spec.PodSelector, w.template.Labels), "%s has no policy of its own", w)
			require.ElementsMatch(t, []networkingv1.PolicyType{"Ingress", "Egress"}, policy.Spec.PolicyTypes, w)
			require.Contains(t, budgets, w.Name())
			require.True(t, selects(t, budgets[w.Name()].Spec.Selector, w.template.Labels), w)
		}
		slices.Sort(seen)
		require.Equal(t, services, seen)
	})
}

// requireProbes wants to know the process alive and its dependencies there, on the plain port: the gateway by HTTP, the others by gRPC.
func requireProbes(t *testing.T, name string, c corev1.Container) {
	t.Helper()
	i := slices.IndexFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == "ops" })
	require.GreaterOrEqual(t, i, 0, name)
	for _, probe := range []struct {
		*corev1.Probe

		path, service string
	}{{c.StartupProbe, "/livez", "liveness"}, {c.LivenessProbe, "/livez", "liveness"}, {c.ReadinessProbe, "/readyz", "readiness"}} {
		require.NotNil(t, probe.Probe, "%s: %s", name, probe.service)
		if name == "gateway" {
			require.Nil(t, probe.GRPC)
			require.Equal(t, corev1.HTTPGetAction{Path: probe.path, Port: intstr.FromString("ops")}, *probe.HTTPGet)
			continue
		}
		require.Nil(t, probe.HTTPGet, name)
		require.Equal(t, corev1.GRPCAction{Port: c.Ports[i].ContainerPort, Service: &probe.service}, *probe.GRPC, name)
	}
}

// TestServicesLeadToServersAlone finds a Service that would send callers to the pod of a Job, or nowhere.
func TestServicesLeadToServersAlone(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, objects []manifests.Object) {
		all := workloads(t, objects)
		for name, svc := range of[corev1.Service](t, objects, "Service") {
			var found []string
			for _, w := range all {
				if labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(w.template.Labels)) {
					found = append(found, w.String())
					for _, p := range svc.Spec.Ports {
						require.True(t, hasPort(w.template.Spec.Containers[0], p), "%s has no port for %v", w, p)
					}
				}
			}
			require.Len(t, found, 1, "%s leads to %v", name, found)
			require.NotContains(t, found[0], "Job", name)
			if slices.Contains(services, name) && name != "gateway" {
				require.Equal(t, corev1.ClusterIPNone, svc.Spec.ClusterIP, "%s: clients balance over the replicas themselves", name)
			}
		}
	})
}

func hasPort(c corev1.Container, p corev1.ServicePort) bool {
	return slices.ContainsFunc(c.Ports, func(have corev1.ContainerPort) bool {
		return have.Name == p.TargetPort.StrVal && p.TargetPort.StrVal != "" || have.ContainerPort == p.Port
	})
}

func TestAutoscalersOwnTheNumberOfReplicas(t *testing.T) {
	t.Parallel()
	objects := build(t, "../../kubernetes/overlays/prod")
	scalers := of[autoscalingv2.HorizontalPodAutoscaler](t, objects, "HorizontalPodAutoscaler")
	require.Equal(t, services, slices.Sorted(maps.Keys(scalers)))
	deployments := of[appsv1.Deployment](t, objects, "Deployment")
	for name, s := range scalers {
		require.Equal(t, name, s.Spec.ScaleTargetRef.Name)
		require.Nil(t, deployments[name].Spec.Replicas, "%s: applying would undo what the autoscaler did", name)
		require.GreaterOrEqual(t, *s.Spec.MinReplicas, int32(2), name)
		require.Greater(t, s.Spec.MaxReplicas, *s.Spec.MinReplicas, name)
	}
}

// arrows are those of the picture in the architecture, and the look-up of roles: who opens connections to whom.
var arrows = []string{
	"extension->license", "gateway->extension", "gateway->license", "gateway->notification", "gateway->numbering",
	"license->extension", "license->notification", "license->numbering", "notification->license", "numbering->license",
}

// devArrows are those among what the overlay dev brings.
var devArrows = []string{
	"cockroachdb->cockroachdb", "cockroachdb-init->cockroachdb", "etcd->etcd", "extension->cockroachdb", "extension->etcd", "license->cockroachdb",
	"notification->cockroachdb", "notification->mail-sink", "numbering->cockroachdb",
}

// TestNetworkPoliciesAllowTheArrowsOfThePictureAlone works out, from both sides, which pod may reach which.
func TestNetworkPoliciesAllowTheArrowsOfThePictureAlone(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string][]string{"dev": slices.Sorted(slices.Values(slices.Concat(arrows, devArrows))), "prod": arrows} {
		objects := build(t, "../../kubernetes/overlays/"+dir)
		policies := of[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy")
		deny := policies["default-deny"]
		require.True(t, selects(t, &deny.Spec.PodSelector, nil), "nothing goes that no policy lets through")
		require.ElementsMatch(t, []networkingv1.PolicyType{"Ingress", "Egress"}, deny.Spec.PolicyTypes)
		require.Empty(t, deny.Spec.Ingress)
		require.Empty(t, deny.Spec.Egress)

		pods := map[string]labels.Set{}
		ports := map[string][]int32{}
		for _, w := range workloads(t, objects) {
			name := w.template.Labels["app.kubernetes.io/name"]
			pods[name] = w.template.Labels
			for _, p := range w.template.Spec.Containers[0].Ports {
				ports[name] = append(ports[name], p.ContainerPort)
			}
		}
		var got []string
		for from := range pods {
			for to := range pods {
				if slices.ContainsFunc(ports[to], func(p int32) bool { return reaches(t, policies, pods[from], pods[to], p) }) {
					got = append(got, from+"->"+to)
				}
			}
		}
		slices.Sort(got)
		require.Equal(t, want, got, dir)
	}
}

// reaches says whether policies let a pod reach a port of another in the same namespace by name, on both sides.
func reaches(t *testing.T, policies map[string]networkingv1.NetworkPolicy, from, to labels.Set, port int32) bool {
	t.Helper()
	var out, in bool
	for _, p := range policies {
		if selects(t, &p.Spec.PodSelector, from) {
			for _, rule := range p.Spec.Egress {
				out = out || peers(t, rule.To, to) && onPort(rule.Ports, port)
			}
		}
		if selects(t, &p.Spec.PodSelector, to) {
			for _, rule := range p.Spec.Ingress {
				in = in || peers(t, rule.From, from) && onPort(rule.Ports, port)
			}
		}
	}
	return in && out
}

func peers(t *testing.T, list []networkingv1.NetworkPolicyPeer, pod labels.Set) bool {
	t.Helper()
	return len(list) == 0 || slices.ContainsFunc(list, func(p networkingv1.NetworkPolicyPeer) bool {
		return p.NamespaceSelector == nil && p.PodSelector != nil && selects(t, p.PodSelector, pod)
	})
}

func onPort(list []networkingv1.NetworkPolicyPort, port int32) bool {
	return slices.ContainsFunc(list, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.IntVal == port })
}

func selects(t *testing.T, selector *metav1.LabelSelector, set labels.Set) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	return s.Matches(set)
}
