package main

import (
	"context"
	"fmt"
	"io"
)

type accountCmd struct {
	Create accountCreateCmd `cmd:"" help:"Make an account and print its root's access key."`
	List   accountListCmd   `cmd:"" help:"List the accounts beside the cloud's own."`
}

type accountCreateCmd struct {
	target
	Name string `arg:"" help:"What the account is for."`
	ID   string `help:"Twelve digits; drawn at random when missing." placeholder:"N"`
}

// Run makes an account.
func (a *accountCreateCmd) Run(ctx context.Context) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	in := map[string]string{"Name": a.Name}
	if a.ID != "" {
		in["AccountId"] = a.ID
	}
	var out struct{ AccountId, AccessKeyId, SecretAccessKey string }
	if err := c.call(ctx, "CreateAccount", in, &out); err != nil {
		return err
	}
	return show(a.JSON, out, func(w io.Writer) {
		fmt.Fprintf(w, "# account %s\nexport AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n", out.AccountId, out.AccessKeyId, out.SecretAccessKey)
	})
}

type accountListCmd struct{ target }

// Run lists the accounts.
func (a *accountListCmd) Run(ctx context.Context) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	type account struct {
		AccountId, Name string
		CreatedAt       float64
	}
	all := []account{}
	in := map[string]string{}
	for {
		var out struct {
			Accounts  []account
			NextToken string
		}
		if err := c.call(ctx, "ListAccounts", in, &out); err != nil {
			return err
		}
		all = append(all, out.Accounts...)
		if out.NextToken == "" {
			break
		}
		in["NextToken"] = out.NextToken
	}
	return show(a.JSON, all, func(w io.Writer) {
		for _, x := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\n", x.AccountId, x.Name, at(x.CreatedAt))
		}
	})
}
