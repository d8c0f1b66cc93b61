// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-device.c - a VFIO device that does nothing and needs no IOMMU, "vfio-device", in a group of
 * its own.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/vfio.h>

static struct platform_device *device;

static int nothing_open(struct vfio_device *vdev)
{
	return 0;
}

static void nothing_close(struct vfio_device *vdev)
{
}

static const struct vfio_device_ops nothing = {
	.name = "vfio-device",
	.open_device = nothing_open,
	.close_device = nothing_close,
};

struct nothing {
	struct vfio_device vdev;
};

static int probe(struct platform_device *pdev)
{
	struct nothing *one = vfio_alloc_device(nothing, vdev, &pdev->dev, &nothing);
	int r;

	if (IS_ERR(one))
		return PTR_ERR(one);
	r = vfio_register_emulated_iommu_dev(&one->vdev);
	if (r)
		vfio_put_device(&one->vdev);
	else
		platform_set_drvdata(pdev, one);
	return r;
}

static void gone(struct platform_device *pdev)
{
	struct nothing *one = platform_get_drvdata(pdev);

	if (one) {
		vfio_unregister_group_dev(&one->vdev);
		vfio_put_device(&one->vdev);
	}
}

static struct platform_driver driver = {
	.driver.name = "vfio-device",
	.driver.suppress_bind_attrs = true,
	.probe = probe,
};

static int __init device_init(void)
{
	int r = platform_driver_register(&driver);

	if (r)
		return r;
	device = platform_device_register_simple("vfio-device", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device)) {
		platform_driver_unregister(&driver);
		return PTR_ERR(device);
	}
	return 0;
}

/* A driver's remove() has another type on later kernels: this is done before it would be called. */
static void __exit device_exit(void)
{
	gone(device);
	platform_device_unregister(device);
	platform_driver_unregister(&driver);
}

module_init(device_init);
module_exit(device_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A test's VFIO device that does nothing");
