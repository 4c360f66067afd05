package authn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
)

// infrastructure lists services of gRPC itself, which everybody may call: they tell nothing about accounts.
var infrastructure = []string{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}

// Policy decides who may call which method, from the access options in the proto files.
type Policy struct{ rules map[string]*rule }

// rule is the access option of one method, with its paths resolved.
type rule struct {
	public, operator, own bool
	roles, services       []string
	accounts              []path
}

// path leads from a request to a resource name: fields of messages, the last one of strings. Repeated fields on the way lead
// to all their elements.
type path []protoreflect.FieldDescriptor

// NewPolicy reads the access option of every method that services (of grpc.Server.GetServiceInfo) offers. It fails when a method
// has none or one that makes no sense, so that nothing is served unguarded by mistake.
//
// A method that grants account roles without saying where its request names the account must be listed in
// accountCheckedByHandler ("/package.Service/Method"): its handler then looks the account up and calls RequireAccount.
func NewPolicy(services map[string]grpc.ServiceInfo, accountCheckedByHandler []string) (*Policy, error) {
	p := &Policy{rules: map[string]*rule{}}
	unused := slices.Clone(accountCheckedByHandler)
	var problems []error
	for name, info := range services {
		for _, m := range info.Methods {
			full := "/" + name + "/" + m.Name
			if slices.Contains(infrastructure, name) {
				p.rules[full] = &rule{public: true}
				continue
			}
			r, err := readRule(name, m.Name, slices.Contains(accountCheckedByHandler, full))
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", full, err))
			}
			p.rules[full] = r
			unused = slices.DeleteFunc(unused, func(s string) bool { return s == full })
		}
	}
	for _, full := range unused {
		problems = append(problems, fmt.Errorf("%s: checks the account itself, but is not served", full))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("access policy: %w", err)
	}
	return p, nil
}

func readRule(service, method string, handlerChecks bool) (*rule, error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + method))
	if err != nil {
		return nil, fmt.Errorf("its descriptor is not known: %w", err)
	}
	md, ok := d.(protoreflect.MethodDescriptor)
	if !ok || !proto.HasExtension(md.Options(), commonv1.E_Access) {
		return nil, errors.New("it has no access option")
	}
	access, ok := proto.GetExtension(md.Options(), commonv1.E_Access).(*commonv1.Access)
	if !ok {
		return nil, errors.New("it has no access option")
	}
	r := &rule{public: access.GetPublic(), operator: access.GetOperator(), own: access.GetOwn(), services: access.GetServices()}
	for _, role := range access.GetRoles() {
		if role == commonv1.Role_ROLE_UNSPECIFIED {
			return nil, errors.New("ROLE_UNSPECIFIED can never be granted")
		}
		r.roles = append(r.roles, role.String())
	}
	for _, text := range access.GetAccountField() {
		p, err := resolve(md.Input(), text)
		if err != nil {
			return nil, err
		}
		r.accounts = append(r.accounts, p)
	}
	return r, r.sound(handlerChecks)
}

// sound refuses options that admit nobody, or more than they seem to.
func (r *rule) sound(handlerChecks bool) error {
	granted := r.operator || len(r.roles) > 0 || len(r.services) > 0
	switch {
	case !r.public && !granted:
		return errors.New("its access option admits nobody")
	case r.public && granted:
		return errors.New("it is public and yet names who may call")
	case slices.Contains(r.services, ""):
		return errors.New("it admits a service without a name")
	case r.own && len(r.accounts) == 0:
		return errors.New("it grants people their own, but its request does not say of which account")
	case len(r.roles) == 0 && len(r.accounts) > 0:
		return errors.New("it has an account_field, but grants no roles")
	case len(r.roles) > 0 && len(r.accounts) == 0 && !handlerChecks:
		return errors.New("it grants roles, but its request does not say for which account; list it as checked by its handler")
	case handlerChecks && (len(r.roles) == 0 || len(r.accounts) > 0):
		return errors.New("it is listed as checked by its handler, which is not needed")
	}
	return nil
}

// resolve finds the fields that a path like "phone_user.name" goes through.
func resolve(msg protoreflect.MessageDescriptor, text string) (path, error) {
	var p path
	for _, name := range strings.Split(text, ".") {
		if msg == nil {
			return nil, fmt.Errorf("account_field %q goes on after a string", text)
		}
		f := msg.Fields().ByName(protoreflect.Name(name))
		if f == nil || f.IsMap() {
			return nil, fmt.Errorf("account_field %q: %s has no such field", text, msg.FullName())
		}
		p = append(p, f)
		msg = f.Message()
	}
	if p[len(p)-1].Kind() != protoreflect.StringKind {
		return nil, fmt.Errorf("account_field %q is not a string", text)
	}
	return p, nil
}

// Authorize decides about a call of fullMethod with the request req by the caller in ctx: nil, UNAUTHENTICATED when a token is
// needed and there is none, or PERMISSION_DENIED. It looks nothing up.
func (p *Policy) Authorize(ctx context.Context, fullMethod string, req proto.Message) error {
	r := p.rules[fullMethod]
	id, known := FromContext(ctx)
	switch {
	case r == nil:
		return denied()
	case r.public:
		return nil
	case !known:
		return unauthenticated("this call needs a token")
	case r.operator && id.Operator:
		return nil
	case id.Service != "" && slices.Contains(r.services, id.Service):
		return nil
	case id.Account != "" && slices.Contains(r.roles, id.Role) && r.ownAccount(req, id.Account):
		return nil
	}
	return denied()
}

// Own says whether fullMethod admits the caller in ctx, whom Authorize refuses, for what is the caller's own.
func (p *Policy) Own(ctx context.Context, fullMethod string, req proto.Message) (user string, ok bool) {
	r := p.rules[fullMethod]
	id, known := FromContext(ctx)
	if r == nil || !r.own || !known || id.User == "" || id.Role == "" || !r.ownAccount(req, id.Account) {
		return "", false
	}
	return id.User, true
}

// Public says whether everybody may call fullMethod.
func (p *Policy) Public(fullMethod string) bool {
	r := p.rules[fullMethod]
	return r != nil && r.public
}

// ownAccount says whether all resource names of the request that the option points to lie in the account, and there is one.
// Methods without account_field have it checked by their handler.
func (r *rule) ownAccount(req proto.Message, account string) bool {
	if len(r.accounts) == 0 {
		return true
	}
	if req == nil {
		return false
	}
	seen := 0
	for _, p := range r.accounts {
		for _, name := range p.names(req.ProtoReflect()) {
			if name == "" {
				continue
			}
			if !inAccount(name, account) {
				return false
			}
			seen++
		}
	}
	return seen > 0
}

// names collects the strings that the path leads to.
func (p path) names(msg protoreflect.Message) []string {
	f, rest := p[0], p[1:]
	if !msg.Has(f) {
		return nil
	}
	if !f.IsList() {
		return rest.values(msg.Get(f))
	}
	var out []string
	list := msg.Get(f).List()
	for i := range list.Len() {
		out = append(out, rest.values(list.Get(i))...)
	}
	return out
}

// values goes on from one value: into it, or it is the end of the path.
func (p path) values(v protoreflect.Value) []string {
	if len(p) == 0 {
		return []string{v.String()}
	}
	return p.names(v.Message())
}

// inAccount says whether a resource name is that of the account or lies in it.
func inAccount(name, account string) bool {
	rest, ok := strings.CutPrefix(name, "accounts/"+account)
	return ok && (rest == "" || rest[0] == '/')
}
