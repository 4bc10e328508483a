package main

import (
	"errors"
	"fmt"

	"medfleet"
	"medfleet/api"
)

// authenticator lets in whom the configuration names. When it names nobody, who
// sits at this machine is let in without asking.
func (c *apiConfig) authenticator() (api.Authenticator, error) {
	var tokens []api.Token
	var errs []error
	for i, g := range c.Gateways {
		where := fmt.Sprintf("api.gateways[%d].token", i)
		t, err := g.token(where, medfleet.Principal{Name: "gateway " + g.Name, Gateway: g.Name})
		tokens, errs = append(tokens, t), append(errs, err)
	}
	for i, p := range c.People {
		role, ok := medfleet.ParseRole(p.Role)
		if !ok {
			errs = append(errs, fmt.Errorf("api.people[%d].role: %q is none of viewer, bmet, admin", i, p.Role))
			continue
		}
		where := fmt.Sprintf("api.people[%d].token", i)
		t, err := p.token(where, medfleet.Principal{Name: p.Name, Role: role})
		tokens, errs = append(tokens, t), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	known, err := api.NewTokens(tokens)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	local := medfleet.Principal{Name: "local", Role: medfleet.RoleAdmin}
	switch {
	case len(c.People) > 0:
		return known, nil
	case c.Insecure:
		return api.FirstOf(known, api.Everybody{Principal: local}), nil
	}
	return api.FirstOf(known, api.Loopback{Principal: local}), nil
}

func (a *accessConfig) token(where string, p medfleet.Principal) (api.Token, error) {
	value, err := secret(a.Token, a.TokenFile, where)
	if err != nil {
		return api.Token{}, err
	}
	if a.Name == "" {
		return api.Token{}, fmt.Errorf("%s: the name beside it is missing", where)
	}
	t, err := api.NewToken(p, value)
	if err != nil {
		return api.Token{}, fmt.Errorf("%s: %w", where, err)
	}
	return t, nil
}
