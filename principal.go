package medfleet

import "context"

// Role says what a principal may do. Each role may do what the one before may.
type Role int

// The roles, weakest first. RoleNone may do nothing.
const (
	RoleNone Role = iota
	RoleViewer
	RoleBMET
	RoleAdmin
)

// String gives the role's name.
func (r Role) String() string {
	switch r {
	case RoleViewer:
		return "viewer"
	case RoleBMET:
		return "bmet"
	case RoleAdmin:
		return "admin"
	}
	return "none"
}

// ParseRole reads a role's name; the second result is false for an unknown one.
func ParseRole(name string) (Role, bool) {
	for r := RoleViewer; r <= RoleAdmin; r++ {
		if r.String() == name {
			return r, true
		}
	}
	return RoleNone, false
}

// Principal is who is asking: a person, a gateway or a program. Gateway is set
// when the token belongs to one; it may then write as that gateway and no other.
type Principal struct {
	Name    string
	Role    Role
	Gateway string
}

type principalKey struct{}

// WithPrincipal gives a context that knows who is asking.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom tells who is asking; nobody has RoleNone.
func PrincipalFrom(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
