// SPDX-License-Identifier: GPL-2.0-only
static void vmx_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vmx_vcpu_load_vmcs(vcpu, cpu, NULL);

	after(vmx);
}

/* Between two VMCSs of one vCPU: none of the rule's business. */
static void vmx_switch_vmcs(struct kvm_vcpu *vcpu, int cpu)
{
	vmx_vcpu_load_vmcs(vcpu, cpu, prev);
}
